// Parts that are drawn when they come near the window (dashboard/later.py): what nobody sees yet keeps nobody waiting.
(function () {
  "use strict";
  var NEAR_PX = 300, REST_MS = 1500;
  var waiting = new Map(), resting = 0, reading = false;

  // What is hidden has no size, and is not near.
  function near(box) {
    var at = box.getBoundingClientRect();
    return at.width > 0 && at.top < window.innerHeight + NEAR_PX && at.bottom > -NEAR_PX;
  }
  function come(box) {
    var draw = waiting.get(box);
    waiting.delete(box);
    watch.unobserve(box);
    if (draw) draw();
  }
  var watch = new IntersectionObserver(function (seen) {
    seen.forEach(function (one) { if (one.isIntersecting) come(one.target); });
  }, { rootMargin: NEAR_PX + "px" });

  // Once the page is at rest the others come, one at a time: the browser's search and a screen reader find them.
  function rest() {
    window.clearTimeout(resting);
    resting = window.setTimeout(function () { (window.requestIdleCallback || window.setTimeout)(one); }, REST_MS);
  }
  function one() {
    var next = Array.from(waiting.keys()).find(function (box) { return box.getBoundingClientRect().width > 0; });
    if (!next) { ahead(); return; }
    come(next);
    (window.requestIdleCallback || window.setTimeout)(one);
  }
  // The library of charts is large: who comes to the first chart of a visit would wait until the browser has read it.
  function ahead() {
    var address = window._dashPlotlyJSURL, spared = (navigator.connection || {}).saveData;
    if (reading || window.Plotly || !address || spared) return;
    reading = true;
    var script = document.createElement("script");
    script.src = address;
    script.async = true;
    document.body.appendChild(script);
  }
  // How many there were.
  function all() {
    var boxes = Array.from(waiting.keys());
    boxes.forEach(come);
    return boxes.length;
  }
  window.addEventListener("beforeprint", all);

  function Later(given) {
    var box = React.useRef(null), state = React.useState(false), drawn = state[0];
    React.useLayoutEffect(function () {
      if (drawn) return undefined;
      var draw = function () { state[1](true); };
      if (near(box.current)) { draw(); return undefined; }
      var mine = box.current;
      waiting.set(mine, draw);
      watch.observe(mine);
      rest();
      return function () { waiting.delete(mine); watch.unobserve(mine); };
    }, [drawn]);
    return React.createElement("div", { ref: box, style: { minHeight: given.height } }, drawn ? given.children : null);
  }
  window.gatewatch_parts = Object.assign(window.gatewatch_parts || {}, { Later: Later });
  window.gatewatch = Object.assign(window.gatewatch || {}, { everything: all, rest: rest });
})();
