// Make an app's frame as high as the app, so that the page has no second scroll bar.
function fit(frame) {
  const app = frame.contentDocument;
  const grow = () => (frame.style.height = `${app.documentElement.scrollHeight}px`);
  new ResizeObserver(grow).observe(app.body);
}

// A tile that opens takes the whole width: show it where the reader looks.
document.addEventListener("click", ({ target }) => {
  const tile = target.closest(".label-wrap")?.closest(".tile");
  setTimeout(() => tile?.scrollIntoView({ behavior: "smooth" }), 50);
});
