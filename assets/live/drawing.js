// Pictures with hands over them, and hands in space, on canvases that fit any page. Pixels of a crop have their centres
// at whole numbers, as everywhere in the book.
{
  const Live = (globalThis.Live ??= {});
  const JOINTS = 21, ROOT = 9, SIDE = 560; // of a canvas, in its own pixels
  // hand_lib.skeleton: one colour a finger, grey for the wrist; each joint hangs from the one before it.
  const FINGERS = { thumb: "#d55e00", index: "#e69f00", middle: "#009e73", ring: "#0072b2", little: "#cc79a7" };
  Live.colours = ["#7f7f7f", ...Object.values(FINGERS).flatMap((colour) => Array(4).fill(colour))];
  Live.joints = ["wrist", ...Object.keys(FINGERS).flatMap((finger) =>
    (finger === "thumb" ? ["CMC", "MCP", "IP", "tip"] : ["MCP", "PIP", "DIP", "tip"]).map((joint) => `${finger} ${joint}`))];
  const parent = (joint) => ((joint - 1) % 4 === 0 ? 0 : joint - 1);

  // A hand's bones and joints on a canvas; points are [[x, y], …] in its pixels. style: "solid", "dashed" or "dotted".
  Live.drawHand = (canvas, points, { style = "solid", colour = null } = {}) => {
    const pen = canvas.getContext("2d");
    pen.save();
    pen.lineCap = "round";
    const bones = (width, paint) => {
      pen.lineWidth = width;
      for (let joint = 1; joint < JOINTS; joint++) {
        pen.strokeStyle = paint ?? Live.colours[joint];
        pen.beginPath();
        pen.moveTo(...points[parent(joint)]);
        pen.lineTo(...points[joint]);
        pen.stroke();
      }
    };
    if (style === "dotted") {
      pen.setLineDash([2, 9]);
      bones(8, "#000"); // seen on any picture
      bones(5, colour ?? "#fff");
    } else {
      pen.setLineDash(style === "dashed" ? [16, 12] : []);
      bones(6, colour);
    }
    pen.setLineDash([]);
    for (let joint = 0; style === "solid" && joint < JOINTS; joint++) {
      pen.fillStyle = colour ?? Live.colours[joint];
      pen.beginPath();
      pen.arc(...points[joint], 7, 0, 7);
      pen.fill();
    }
    pen.restore();
  };

  const square = (label, tall = SIDE) =>
    Live.element("canvas", { width: SIDE, height: tall, role: "img", "aria-label": label });

  // A crop, and hands over it. show(image (3, size, size), size) draws the picture; hand() draws over it.
  Live.Picture = class {
    constructor(label) {
      this.canvas = square(label);
      this.small = document.createElement("canvas");
    }

    show(image, size) {
      this.scale = SIDE / size;
      this.small.width = this.small.height = size;
      const pen = this.small.getContext("2d"), pixels = pen.createImageData(size, size), area = size * size;
      for (let i = 0; i < area; i++) {
        for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = 255 * image[c * area + i] + 0.5;
        pixels.data[4 * i + 3] = 255;
      }
      pen.putImageData(pixels, 0, 0);
      this.canvas.getContext("2d").drawImage(this.small, 0, 0, SIDE, SIDE);
    }

    point([u, v]) {
      return [(u + 0.5) * this.scale, (v + 0.5) * this.scale];
    }

    hand(uv, how) {
      Live.drawHand(this.canvas, uv.map((one) => this.point(one)), how);
    }
  };

  // Hands in space, {xyz (63) mm, style, colour}, seen from anywhere: dragged or by the arrow keys.
  Live.Space = class {
    constructor(label) {
      this.canvas = square(`${label} Arrow keys turn it.`);
      this.canvas.classList.add("live-turned");
      [this.yaw, this.tilt, this.hands, this.reach] = [-0.6, -0.25, [], 125]; // reach: mm from the middle to the edge
      const turn = (x, y) => {
        this.yaw += x;
        this.tilt = Math.max(-1.5, Math.min(1.5, this.tilt + y));
        this.draw();
      };
      Live.dragged(this.canvas, (right, down) => turn(4 * right, 4 * down));
      Live.arrows(this.canvas, (right, down) => turn(0.1 * right, 0.1 * down));
    }

    show(hands) {
      this.hands = hands;
      this.draw();
    }

    draw() {
      const pen = this.canvas.getContext("2d"), { width, height } = this.canvas;
      pen.clearRect(0, 0, width, height);
      if (!this.hands.length) return;
      const [cy, sy, cx, sx] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.tilt), Math.sin(this.tilt)];
      const middle = this.hands[0].xyz.slice(3 * ROOT, 3 * ROOT + 3), scale = width / 2 / this.reach;
      for (const { xyz, ...how } of this.hands) {
        const points = Array.from({ length: JOINTS }, (_, i) => {
          const [x, y, z] = [0, 1, 2].map((axis) => xyz[3 * i + axis] - middle[axis]);
          const across = cy * x + sy * z, away = cy * z - sy * x;
          return [width / 2 + scale * across, height / 2 + scale * (cx * y - sx * away)];
        });
        Live.drawHand(this.canvas, points, how);
      }
    }
  };
}
