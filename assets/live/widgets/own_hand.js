// Your own hand: a photograph or the camera under one of the book's networks. The picture stays in this page.
{
  const LARGEST = 640, SHARE = 1 / 1.2; // px of a picture's longer side; of its shorter side, the square at first
  const element = Live.element;

  // Whether this browser gives the pixels of a canvas as they were drawn. Some change them, so that no page can use them
  // to know a reader again.
  const keepsPixels = () => {
    const canvas = element("canvas", { width: 16, height: 16 }), pen = canvas.getContext("2d", { willReadFrequently: true });
    const drawn = pen.createImageData(16, 16);
    for (let i = 0; i < drawn.data.length; i++) drawn.data[i] = i % 4 === 3 ? 255 : (37 * i) % 256;
    pen.putImageData(drawn, 0, 0);
    return pen.getImageData(0, 0, 16, 16).data.every((value, i) => value === drawn.data[i]);
  };

  Live.widgets.own_hand = ({ stage, say, networks }) => {
    let network = Object.values(networks)[0];
    let [source, stream, right, picture, box, said] = [null, null, true, null, { u: 0, v: 0, side: 1 }, null];
    const video = element("video", { playsinline: "" });
    video.muted = true;
    const copy = element("canvas"), reader = copy.getContext("2d", { willReadFrequently: true });

    const whole = element("canvas", { width: 560, height: 420, role: "img", tabindex: 0, "aria-label": "Your picture with the square and the predicted hand. Arrow keys move the square, plus and minus resize it." });
    const crop = new Live.Picture("What the network sees, and the predicted hand."), space = new Live.Space("The predicted hand in space.");
    const REACH = 3.2; // lengths of the scale bone from the middle to the edge of what is seen in space

    const read = () => { // the source as it is now
      const [w, h] = [source.videoWidth || source.width, source.videoHeight || source.height], shrink = Math.min(1, LARGEST / Math.max(w, h));
      [copy.width, copy.height] = [w, h].map((side) => Math.max(1, Math.round(side * shrink)));
      reader.imageSmoothingQuality = "high";
      reader.drawImage(source, 0, 0, copy.width, copy.height);
      const { data } = reader.getImageData(0, 0, copy.width, copy.height), area = copy.width * copy.height, pixels = new Uint8Array(3 * area);
      for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) pixels[c * area + i] = data[4 * i + c];
      picture = { pixels, w: copy.width, h: copy.height };
    };
    const centre = () => {
      box = { u: (picture.w - 1) / 2, v: (picture.h - 1) / 2, side: SHARE * Math.min(picture.w, picture.h) };
      size.set(100 * SHARE);
    };

    const answer = () => {
      const { side } = network, matrix = Live.cropMatrix({ box: edges(), right }, side);
      const image = Live.warp(picture, matrix, side), { Y } = network.forward(image), inverse = Live.inverse(matrix);
      const seen = Live.toPixels(Y, side);
      const uv = seen.map(([u, v]) => [inverse[0] * u + inverse[1] * v + inverse[2], inverse[3] * u + inverse[4] * v + inverse[5]]);
      const depth = Array.from({ length: 21 }, (_, i) => Y[3 * i + 2]);
      return { image, seen, uv, depth, xyz: Live.fromAfar(uv, depth) };
    };
    const edges = () => [box.u - box.side / 2, box.v - box.side / 2, box.u + box.side / 2, box.v + box.side / 2];

    const show = () => {
      if (!picture) return;
      said = answer();
      const { image, seen, uv, xyz } = said, scale = whole.width / picture.w, pen = whole.getContext("2d");
      whole.height = Math.round(picture.h * scale);
      pen.drawImage(copy, 0, 0, whole.width, whole.height);
      const [left, top, side] = [(box.u + 0.5 - box.side / 2) * scale, (box.v + 0.5 - box.side / 2) * scale, box.side * scale];
      for (const [width, colour] of [[6, "#000"], [3, "#fff"]]) {
        pen.lineWidth = width;
        pen.strokeStyle = pen.fillStyle = colour;
        pen.strokeRect(left, top, side, side);
        pen.beginPath();
        pen.arc(left + side, top + side, 7 + 1.5 * width, 0, 7);
        pen.fill();
      }
      Live.drawHand(whole, uv.map(([u, v]) => [(u + 0.5) * scale, (v + 0.5) * scale]));
      crop.show(image, network.side);
      crop.hand(seen);
      space.reach = Math.max(REACH, 1.05 * Math.max(...uv.map((_, i) => Math.hypot(...xyz.slice(3 * i, 3 * i + 3))))); // from the root
      space.show([{ xyz }]);
      stage.dataset.shown = +(stage.dataset.shown ?? 0) + 1;
    };
    const soon = Live.soon(() => {
      show();
      say(stream ? "The camera is on. Each picture is answered and forgotten." : `${Live.about(network)} has answered, as it does to any picture: with a hand.`);
    });

    // --- The square
    const clamp = (value, most) => Math.max(0, Math.min(most, value));
    const set = (changes) => {
      if (!picture) return;
      box = { ...box, ...changes };
      box.side = Math.max(16, Math.min(1.5 * Math.max(picture.w, picture.h), box.side));
      [box.u, box.v] = [clamp(box.u, picture.w - 1), clamp(box.v, picture.h - 1)];
      size.set(Math.round((100 * box.side) / Math.min(picture.w, picture.h)));
      soon();
    };
    let resizing = false;
    Live.dragged(whole, (across, down) => {
      const [u, v] = [across * picture?.w, down * picture?.w];
      set(resizing ? { side: box.side + u + v } : { u: box.u + u, v: box.v + v });
    }, (x, y) => {
      if (!picture) return;
      const [u, v] = [x * picture.w - 0.5, y * picture.w - 0.5], reach = (22 / whole.clientWidth) * picture.w;
      resizing = Math.hypot(u - box.u - box.side / 2, v - box.v - box.side / 2) < reach;
      if (!resizing && Math.max(Math.abs(u - box.u), Math.abs(v - box.v)) > box.side / 2) set({ u, v });
    });
    Live.arrows(whole, (across, down) => picture && set({ u: box.u + 0.02 * picture.w * across, v: box.v + 0.02 * picture.w * down }));
    whole.addEventListener("keydown", ({ key }) => {
      if (key === "+" || key === "-") set({ side: box.side * (key === "+" ? 1.05 : 1 / 1.05) });
    });
    const size = Live.slider({ name: "square", from: 5, to: 150, value: 100 * SHARE, unit: " %", changed: (percent) => picture && set({ side: (percent / 100) * Math.min(picture.w, picture.h) }) });

    // --- Where pictures come from: only what the reader gives, and the camera only while it is seen
    const stop = () => {
      for (const track of stream?.getTracks() ?? []) track.stop();
      [stream, video.srcObject, camera.textContent] = [null, null, "Use the camera"];
    };
    const open = async (file) => {
      stop();
      try {
        source = await createImageBitmap(file);
      } catch {
        say(`${file.name} is no picture that this browser can read.`);
        return;
      }
      read();
      centre();
      soon();
    };
    const film = () => {
      if (!stream) return;
      read();
      show();
      requestAnimationFrame(film);
    };
    const camera = Live.button("Use the camera", async () => {
      if (stream) {
        stop();
        say("The camera is off. The last picture stays until you leave.");
        return;
      }
      try {
        if (!navigator.mediaDevices) throw new Error("this browser lends it to pages from https or from a disk alone; a photograph works");
        stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: LARGEST } }, audio: false });
        if (document.hidden) return stop(); // the reader has left while it was asked
        video.srcObject = stream;
        await video.play();
      } catch (error) {
        stop();
        const why = { NotAllowedError: "it was not allowed", NotFoundError: "there is none" }[error.name] ?? error.message;
        say(`No camera: ${why}.`);
        return;
      }
      source = video;
      camera.textContent = "Stop the camera";
      read();
      centre();
      soon();
      film();
    });
    document.addEventListener("visibilitychange", () => document.hidden && stop());
    addEventListener("pagehide", stop);
    const photo = element("input", { type: "file", accept: "image/*" });
    photo.addEventListener("change", () => photo.files[0] && open(photo.files[0]));
    photo.addEventListener("click", () => (photo.value = "")); // the same picture can be chosen again
    stage.addEventListener("dragover", (event) => event.preventDefault());
    stage.addEventListener("drop", (event) => {
      const file = event.dataTransfer.files[0];
      if (!file || file.name.endsWith(".safetensors")) return;
      event.preventDefault();
      event.stopPropagation();
      open(file);
    });

    // As `python -m hand_lib predict` writes it. It goes to the reader's own disk.
    const save = Live.button("Save the joints", () => {
      if (!said) return say("There are no joints yet: give it a picture.");
      const joints = Live.joints.map((name, i) => ({ name, uv: said.uv[i], depth: said.depth[i], xyz: [...said.xyz.slice(3 * i, 3 * i + 3)] }));
      const content = JSON.stringify({ network: Live.about(network), right, box: edges(), joints }, null, 1);
      const address = URL.createObjectURL(new Blob([content], { type: "application/json" }));
      element("a", { href: address, download: "hand.json" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    });

    // --- Which hand, which network
    const hands = [[true, "a right hand"], [false, "a left hand"]].map(([is, text]) => Live.button(text, () => {
      right = is;
      hands.forEach((button, i) => button.setAttribute("aria-pressed", right === (i === 0)));
      soon();
    }, { "aria-pressed": is }));
    const rows = Object.keys(Live.files).filter((name) => Live.files[name].row);
    const named = (row) => [row, `${row}, ${Live.number(Live.files[row].epe)} mm (${Live.megabytes([row])})`];
    const choose = Live.choice("network, error on rendered hands", rows.map(named), Object.keys(networks)[0], async (row) => {
      say(`Loading ${row} …`);
      try {
        network = networks[row] ??= (await Live.load([row])).networks[row];
        say(`${Live.about(network)} is in use.`);
        soon();
      } catch (error) {
        say(`${row} is not used: ${error.message}.`);
      }
    });

    const altered = keepsPixels() ? [] : [element("p", { class: "live-problem" }, "This browser changes the pictures that pages read, so that nobody is known again by them. What the network says of them is worth less here.")];
    const shown = Live.pane(whole, "drag the square round the hand; its corner resizes it");
    shown.classList.add("live-wide");
    stage.append(
      ...altered,
      element("div", { class: "live-buttons" }, element("label", { class: "live-choice" }, "A photograph:", photo), camera),
      element("div", { class: "live-buttons" }, ...hands), choose,
      Live.panes(shown, Live.pane(crop.canvas, "what the network sees: the square, a fifth larger"), Live.pane(space.canvas, "the predicted hand, drag to turn it")),
      size.element, element("div", { class: "live-buttons" }, save));
    say("Give it a picture. Nothing of it leaves this page.");
    return { own: (mine) => { network = mine; soon(); } };
  };
}
