// Read before all of Gradio's scripts. Its sign that something loads counts seconds in every frame, and goes on for
// ever when the sign has gone (6.31): a page that nobody touches would cost a twentieth of a core. Here it counts once
// a second.

{
  const soon = window.requestAnimationFrame.bind(window);
  const countsSeconds = (work) => /performance\.now\(\)-.*\/1e3/.test(work);
  window.requestAnimationFrame = (work) => (countsSeconds(work) ? setTimeout(() => soon(work), 1000) : soon(work));
}
