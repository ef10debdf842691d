// Search without a server: browsers refuse workers of pages that are opened from files, so that their script runs in a
// hidden frame instead. The theme's worker asks its parent for the name IFrameWorker.
if (location.protocol === "file:") {
  class IFrameWorker extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inner = frame.contentWindow
      const deliver = (target, data) => setTimeout(() => target.dispatchEvent(new MessageEvent("message", { data })))
      inner.postMessage = data => deliver(this, data)
      inner.importScripts = (...urls) => urls.reduce((before, next) => before.then(() => this.load(next)), Promise.resolve())
      this.document = inner.document
      this.ready = this.load(url).then(() => inner)
      this.postMessage = data => this.ready.then(target => deliver(target, data))
    }

    load(url) {
      return new Promise((resolve, reject) => {
        const script = this.document.createElement("script")
        script.src = url
        script.onload = resolve
        script.onerror = () => reject(new Error(`${url} did not load`))
        this.document.body.append(script)
      })
    }

    terminate() {
      this.document.defaultView.frameElement.remove()
    }
  }
  window.IFrameWorker = IFrameWorker
  window.Worker = IFrameWorker
}
