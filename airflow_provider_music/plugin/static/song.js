// SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
// SPDX-License-Identifier: Apache-2.0
"use strict";

const main = document.getElementById("main");
const players = [...document.querySelectorAll("audio[data-take]")];
const byTake = (take) => players.find((player) => player.dataset.take === take);

// One at a time.
for (const player of players) {
  player.addEventListener("play", () => players.filter((other) => other !== player).forEach((other) => other.pause()));
}

// What was marked: silence as a band over the whole height, clipping as a bar at both edges.
const drawMarks = (canvas, pen, marks, scale) => {
  const { width, height } = canvas;
  const colors = getComputedStyle(canvas);
  const edge = Math.round(5 * scale);
  for (const { kind, from, to } of marks) {
    const x = Math.floor(from * width);
    const wide = Math.max(Math.ceil(2 * scale), Math.ceil(to * width) - x);
    pen.globalAlpha = kind === "silence" ? 0.35 : 1;
    pen.fillStyle = colors.getPropertyValue(kind === "silence" ? "--wait" : "--bad");
    if (kind === "silence") pen.fillRect(x, 0, wide, height);
    else for (const y of [0, height - edge]) pen.fillRect(x, y, wide, edge);
  }
};

// The same for who sees no canvas, and the figures.
const tellQuality = (canvas, { told = [], figures = [] }) => {
  const list = canvas.parentElement.querySelector(".marks");
  list.replaceChildren(
    ...told.map(({ kind, text }) => Object.assign(document.createElement("li"), { className: kind, textContent: text })),
  );
  list.hidden = told.length === 0;
  const named = canvas.parentElement.querySelector(".figures");
  named.replaceChildren(
    ...figures.flatMap((row) =>
      ["dt", "dd"].map((tag, at) => Object.assign(document.createElement(tag), { textContent: row[at] })),
    ),
  );
  named.hidden = figures.length === 0;
};

// The waveform, where the song's quality was measured: what was played is drawn in full. A click goes there.
const draw = (canvas, { peaks, marks = [] }, player) => {
  const scale = window.devicePixelRatio || 1;
  const width = (canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale)));
  const height = (canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale)));
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(canvas).color;
  const pairs = peaks.length / 2;
  const played = player.duration > 0 ? (player.currentTime / player.duration) * width : 0;
  for (let x = 0; x < width; x += 1) {
    const first = Math.floor((x / width) * pairs);
    const last = Math.max(first + 1, Math.floor(((x + 1) / width) * pairs));
    let low = 0;
    let high = 0;
    for (let pair = first; pair < last; pair += 1) {
      low = Math.min(low, peaks[2 * pair]);
      high = Math.max(high, peaks[2 * pair + 1]);
    }
    pen.globalAlpha = x < played ? 1 : 0.45;
    pen.fillRect(x, ((1 - high) * height) / 2, 1, Math.max(1, ((high - low) * height) / 2));
  }
  drawMarks(canvas, pen, marks, scale);
};

const showWaveform = async (canvas) => {
  const player = byTake(canvas.dataset.take);
  const response = await fetch(canvas.dataset.url, { headers: { Accept: "application/json" } });
  if (!response.ok) return;
  const found = await response.json();
  tellQuality(canvas, found);
  if (found.peaks.length === 0) return;
  canvas.hidden = false;
  const again = () => draw(canvas, found, player);
  for (const event of ["timeupdate", "seeked", "loadedmetadata"]) player.addEventListener(event, again);
  window.addEventListener("resize", again);
  canvas.addEventListener("click", (event) => {
    if (player.duration > 0) player.currentTime = (event.offsetX / canvas.clientWidth) * player.duration;
  });
  again();
};

for (const canvas of document.querySelectorAll("canvas.waveform")) showWaveform(canvas).catch(() => {});

// A and B: the other one goes on where this one is.
const compare = document.getElementById("compare");
if (compare) {
  const decks = [document.getElementById("deck-a"), document.getElementById("deck-b")];
  const says = document.getElementById("playing");
  let current = 0;

  const go = (from, to, label) => {
    const place = from ? from.currentTime : 0;
    const plays = !from || !from.paused;
    if (from) from.pause();
    const start = () => {
      to.currentTime = Math.min(place, Number.isFinite(to.duration) ? to.duration : place);
      if (plays) to.play();
    };
    if (to.readyState >= HTMLMediaElement.HAVE_METADATA) start();
    else {
      to.addEventListener("loadedmetadata", start, { once: true });
      to.load();
    }
    says.textContent = label;
  };

  const toggle = () => {
    const from = byTake(decks[current].value);
    current = 1 - current;
    const to = byTake(decks[current].value);
    if (to && to !== from) go(from, to, `${current ? "B" : "A"}: ${to.dataset.title.toLowerCase()}`);
  };

  document.getElementById("switch").addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest && event.target.closest("input, select, textarea");
    if (event.key.toLowerCase() === "s" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) toggle();
  });
  compare.hidden = false;
}

for (const button of document.querySelectorAll("button.verify")) {
  button.addEventListener("click", async () => {
    const verdict = button.parentElement.querySelector(".verdict");
    button.disabled = true;
    verdict.textContent = "Reading the song …";
    try {
      const response = await fetch(button.dataset.url, { method: "POST" });
      const found = await response.json();
      if (!response.ok) verdict.textContent = found.detail;
      else {
        const said = found.ok ? ["The file is what its manifest says"] : found.problems;
        verdict.textContent = [...said, ...(found.notes || [])].join("; ") + ".";
      }
    } catch (error) {
      verdict.textContent = String(error);
    }
    button.disabled = false;
  });
}

// While a song is made: whether there is something new. A page on which something plays is not taken away.
const soonest = 2000;
const latest = 15000;
let pause = soonest;

const poll = async () => {
  let found = null;
  if (!document.hidden) {
    try {
      const response = await fetch(main.dataset.stateUrl, { headers: { Accept: "application/json" } });
      if (response.status === 401 || response.status === 403) return;
      if (response.ok) found = await response.json();
    } catch {
      // The server is away: asked again.
    }
  }
  if (found && found.sign !== main.dataset.sign) {
    if (players.every((player) => player.paused)) location.reload();
    else document.getElementById("newer").hidden = false;
    return;
  }
  if (found && found.progress) {
    const progress = document.getElementById("progress");
    if (progress.textContent !== found.progress) progress.textContent = found.progress;
  }
  if (found && !found.open) return;
  pause = Math.min(latest, pause * 1.1);
  setTimeout(poll, pause);
};

if (main.dataset.open === "1") setTimeout(poll, soonest);
