// Keeps the names of the keys that are held down in the text field that follows the element "oige-keys", through which
// they reach the server like anything that is typed. Runs once, whenever that element appears.
if (window.oigeKeys) return;
window.oigeKeys = true;
const held = new Set();

function report() {
  const mark = document.getElementById("oige-keys");
  const follows = (input) => mark.compareDocumentPosition(input) & Node.DOCUMENT_POSITION_FOLLOWING;
  const field = mark && [...document.querySelectorAll("input")].find(follows);
  if (!field) return; // the panel is folded up
  // React notices a new value only if it is set past its own property.
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, [...held].join(" "));
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function listen(event) {
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const names = (document.getElementById("oige-keys")?.dataset.names ?? "").split(" ");
  if (!names.includes(name) || ["INPUT", "TEXTAREA"].includes(event.target.tagName)) return;
  event.preventDefault();
  event.stopPropagation();
  const before = held.size;
  if (event.type === "keydown") held.add(name);
  else held.delete(name);
  if (held.size !== before) report();
}

window.addEventListener("keydown", listen, true);
window.addEventListener("keyup", listen, true);
window.addEventListener("blur", () => {
  held.clear();
  report();
});
