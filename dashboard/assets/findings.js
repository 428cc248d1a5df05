// The list of findings: rows by key, what is selected, and what is done to all of it.
(function () {
  "use strict";
  var own = window.gatewatch = window.gatewatch || {};
  var PATH = "/api/v1/findings/actions";
  var AT_ONCE = 45; // ids that fit into one condition
  var BACK = { acknowledge: "unacknowledge", resolve: "reopen", snooze: "unsnooze" };
  var make = function () { return window.React.createElement.apply(null, arguments); };

  window.dashAgGridComponentFunctions = Object.assign({}, window.dashAgGridComponentFunctions, {
    FindingCell: function (props) {
      var link = window.dashAgGridComponentFunctions.FindingLink;
      return make("div", { className: "finding-cell" }, make(link, props), make("div", { className: "small" }, props.data.where));
    },
    Clamped: function (props) { return make("span", null, props.value); },
    Trend: function (props) {
      if (!props.value || props.value.indexOf("data:image/svg+xml,") !== 0) return null;
      return make("img", { src: props.value, alt: "", className: "small-spark" });
    },
    Since: function (props) {
      return make("div", null, props.value, make("div", { className: "small" }, props.data.lasted));
    },
  });

  function grid() {
    if (!document.getElementById("findings-grid")) return null;
    try { return window.dash_ag_grid.getApi("findings-grid"); } catch (error) { return null; }
  }
  // What is selected, and where somebody is, outlives the grid, which is made anew with the page.
  var known = null, picked = [], at = -1, place = "";
  function ready() {
    var api = grid();
    return api && !api.isDestroyed() && api.getDisplayedRowCount() ? api : null;
  }
  // After somebody did something in the list.
  function read() {
    var api = ready();
    if (!api) return;
    picked = api.getSelectedRows().map(function (row) { return row.id; });
    if (api.getFocusedCell()) at = api.getFocusedCell().rowIndex;
  }
  // After the page was drawn anew.
  function restore() {
    var api = ready();
    if (!api || api === known) return;
    known = api;
    if (place !== window.location.search) { place = window.location.search; picked = []; at = -1; return; }
    function mark() {
      if (api.isDestroyed()) return;
      picked.forEach(function (id) {
        var node = api.getRowNode(id);
        if (node) node.setSelected(true);
      });
    }
    mark();
    window.setTimeout(mark, 300); // Dash tells a new grid once that nothing is selected
    if (at >= 0 && document.activeElement === document.body) {
      api.setFocusedCell(Math.min(at, api.getDisplayedRowCount() - 1), "title");
    }
  }
  function chosen() { return picked; }
  function bar() { return document.querySelector(".bulk"); }
  var whole = null; // the address whose findings are all meant
  function everything() { return whole !== null && whole === window.location.search; }

  // The bar shows what is selected. The grid tells of no change but to React, so it is looked at after every event.
  function tell() {
    var box = bar();
    if (!box) return;
    var n = chosen().length;
    var all = everything();
    box.hidden = !n && !all;
    var said = all ? "All that fit" : n + " selected";
    var count = box.querySelector(".bulk-count");
    if (count.textContent !== said) count.textContent = said; // else it would be a change that is looked at again
    box.querySelector(".bulk-all").setAttribute("aria-pressed", all ? "true" : "false");
    box.querySelector(".bulk-whole").hidden = !all;
    box.querySelector(".bulk-each").hidden = all;
  }
  ["click", "keyup", "change"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      if (event.target.closest && event.target.closest("#findings-grid, .bulk, .steps")) window.setTimeout(function () { read(); tell(); }, 0);
    });
  });

  // A page that is drawn anew knows nothing of it.
  var waiting = null;
  new MutationObserver(function () {
    if (!waiting && bar()) waiting = window.setTimeout(function () { waiting = null; restore(); tell(); }, 50);
  }).observe(document.documentElement, { childList: true, subtree: true });

  function current(api) {
    var cell = api.getFocusedCell();
    return cell ? cell.rowIndex : at;
  }
  function focus(api, row) {
    var last = api.getDisplayedRowCount() - 1;
    row = Math.max(0, Math.min(row, last));
    api.ensureIndexVisible(row);
    api.setFocusedCell(row, "title");
    // A grid that is still being filled draws its rows once more, and the focus is gone with the first ones.
    window.setTimeout(function () {
      if (document.activeElement !== document.body || api.isDestroyed()) return;
      api.clearFocusedCell();
      api.setFocusedCell(row, "title");
    }, 200);
  }
  document.addEventListener("click", function (event) {
    var step = event.target.closest("[data-step]");
    var api = step && grid();
    if (api) {
      if (step.dataset.step === "next") focus(api, current(api) + 1);
      else if (step.dataset.step === "previous") focus(api, current(api) - 1);
      else {
        var node = api.getDisplayedRowAtIndex(Math.max(current(api), 0));
        if (node) node.setSelected(!node.isSelected());
        focus(api, Math.max(current(api), 0));
        read();
        tell();
      }
      return;
    }
    if (event.target.closest(".bulk-all")) {
      whole = everything() ? null : window.location.search;
      tell();
    } else if (event.target.closest(".bulk-none")) {
      clear();
    }
  });
  function clear() {
    var api = grid();
    if (api) api.deselectAll();
    picked = [];
    whole = null;
    tell();
  }

  function chunks(ids, act) {
    var out = [];
    for (var at = 0; at < ids.length; at += AT_ONCE) {
      out.push(["POST", PATH, Object.assign({ where: ["id in " + ids.slice(at, at + AT_ONCE).join(",")] }, act)]);
    }
    return out;
  }
  // The calls for a wish: to all that fit, or to each of the selected.
  function calls(wish) {
    if (everything()) {
      var box = bar();
      if (wish.action !== "suppress") return [["POST", PATH, Object.assign(JSON.parse(box.dataset.all), wish)]];
      var lasting = JSON.parse(box.querySelector(".bulk-whole").dataset.lasting);
      if (!lasting.length) throw new Error("Filter by something that later findings have too, such as a detector or an API.");
      return [["POST", PATH, Object.assign({ where: lasting }, wish)]];
    }
    var ids = chosen();
    if (!ids.length) throw new Error("Nothing is selected.");
    if (wish.action !== "suppress") return chunks(ids, wish);
    return ids.map(function (id) { return ["POST", "/api/v1/findings/" + encodeURIComponent(id) + "/actions", wish]; });
  }
  function back(wish, answers, made) {
    if (wish.action === "suppress") {
      return answers.map(function (answer, at) {
        return answer.suppression ? ["DELETE", "/api/v1/suppressions/" + answer.suppression, {}]
          : [made[at][0], made[at][1], { action: "unsuppress" }];
      });
    }
    var ids = [].concat.apply([], answers.map(function (answer) { return answer.done || []; }));
    return BACK[wish.action] && ids.length ? chunks(ids, { action: BACK[wish.action] }) : null;
  }
  function act(button, wish, done) {
    var made;
    try { made = calls(wish); } catch (error) { own.say(error.message, "wrong"); return; }
    var answers = [];
    button.disabled = true;
    made.reduce(function (before, call) {
      return before.then(function () { return own.send(call[0], call[1], call[2]); }).then(function (answer) { answers.push(answer); });
    }, Promise.resolve()).then(function () {
      var refused = [].concat.apply([], answers.map(function (answer) { return answer.refused || []; }));
      var n = answers.reduce(function (sum, answer) { return sum + (answer.done ? answer.done.length : 1); }, 0);
      var said = n + (n === 1 ? " finding: " : " findings: ") + done;
      if (refused.length) said += " " + refused.length + " were left as they are: " + refused[0].why + ".";
      own.say(said, "good", own.undoing(back(wish, answers, made)));
      clear();
    }).catch(function (error) { own.say(error.message, "wrong"); }).finally(function () {
      button.disabled = false;
      own.again();
    });
    var panel = button.closest("details.pop");
    if (panel) panel.open = false;
  }
  // Before session.js, which sends what one button says.
  document.addEventListener("click", function (event) {
    var button = event.target.closest(".bulk button.send");
    if (!button || button.type === "submit") return;
    event.stopPropagation();
    if (!button.disabled) act(button, JSON.parse(button.dataset.body), button.dataset.done);
  }, true);
  document.addEventListener("submit", function (event) {
    var form = event.target.closest(".bulk .send-form");
    if (!form) return;
    event.preventDefault();
    event.stopPropagation();
    act(form.querySelector("button.send"), own.fields(form), form.dataset.done);
  }, true);

  // When somebody was here before: the visit before this one, kept by this browser alone.
  var VISIT = "gatewatch-visit", PAUSE = 30 * 60e3;
  function visits() {
    try { return JSON.parse(window.localStorage.getItem(VISIT)) || {}; } catch (error) { return {}; }
  }
  function visit() {
    var kept = visits(), now = Date.now();
    if (!kept.last || now - kept.last > PAUSE) kept.before = kept.last || null;
    kept.last = now;
    try { window.localStorage.setItem(VISIT, JSON.stringify(kept)); } catch (error) { /* private windows keep nothing */ }
  }
  visit();
  window.setInterval(function () { if (!document.hidden) visit(); }, 60e3);
  document.addEventListener("click", function (event) {
    if (!event.target.closest("[data-visit]")) return;
    var before = visits().before;
    if (!before) { own.say("This is your first visit with this browser: everything is new.", "good"); return; }
    own.change({ f: ["detected >= " + new Date(before).toISOString().slice(0, 19) + "Z"] });
  });
})();
