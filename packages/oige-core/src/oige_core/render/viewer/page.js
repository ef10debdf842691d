// Runs once on each page; page.py fills in TITLE and STYLE.
if (window.oigeCopy) return;
document.title = TITLE;
document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }));

// Copies the address of the page with another query. execCommand also works on pages without encryption, where browsers
// offer no navigator.clipboard.
window.oigeCopy = (button, query) => {
  const address = location.origin + location.pathname + query;
  const field = Object.assign(document.createElement("textarea"), { value: address });
  document.body.append(field);
  field.select();
  button.textContent = document.execCommand("copy") ? "Copied" : address;
  field.remove();
};

// On narrow screens, viser shows the panel as a sheet over the lower part of the picture. It is folded up at first, and
// the picture gets the height that the sheet leaves.
const SHEET = 'div[style*="position: fixed"][style*="width: 20em"]';
let area = null; // of the picture
let sheet = null;

function fit() {
  const picture = document.querySelector("canvas[data-engine]");
  const found = document.querySelector(SHEET);
  if (found && found !== sheet) {
    found.querySelector('div[style*="cursor: pointer"]').click();
    observer.observe(found);
  }
  sheet = found;
  area = sheet ? [...sheet.parentElement.children].find((e) => e.contains(picture)) : area;
  if (area) area.style.height = sheet ? `calc(100% - ${sheet.offsetHeight}px)` : "100%";
  if (!picture) setTimeout(fit, 100);
}

const observer = new ResizeObserver(fit);
observer.observe(document.body);
window.addEventListener("resize", () => setTimeout(fit, 300)); // after viser has changed between panel and sheet
