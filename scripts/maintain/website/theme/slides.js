// Shows the page Slides as slides: each heading below the title begins one. hooks.py adds it there.

const article = document.querySelector("article");
const slides = [];
for (const part of [...article.children]) {
  if (part.tagName === "H2") {
    slides.push(document.createElement("section"));
    part.before(slides.at(-1));
  }
  slides.at(-1)?.append(part);
}
slides.forEach((slide, index) => {
  slide.className = "slide";
  slide.dataset.number = `${index + 1} / ${slides.length}`;
});

const button = document.createElement("button");
button.className = "md-button show-slides";
button.textContent = "Show as slides";
button.onclick = () => {
  article.classList.add("showing-slides");
  show(0);
  document.documentElement.requestFullscreen?.().catch(() => {}); // without, it fills the window
};
slides[0].before(button);

const isShowing = () => article.classList.contains("showing-slides");
const shown = () => slides.findIndex((slide) => slide.classList.contains("shown"));

function show(index) {
  const next = slides[Math.max(0, Math.min(index, slides.length - 1))];
  slides.forEach((slide) => slide.classList.toggle("shown", slide === next));
}

function end() {
  if (!isShowing()) return;
  article.classList.remove("showing-slides");
  slides[shown()].scrollIntoView();
  if (document.fullscreenElement) document.exitFullscreen();
}

document.addEventListener("fullscreenchange", () => document.fullscreenElement || end());
document.addEventListener("keydown", (event) => {
  const steps = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 };
  if (isShowing() && event.key in steps) {
    event.preventDefault();
    show(shown() + steps[event.key]);
  }
  if (event.key === "Escape") end();
});
