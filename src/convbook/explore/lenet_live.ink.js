// From strokes of a pen to an image like those that a network was trained on.

/** Share of ink in each cell of a field, 0 to 1: strokes of round pens on a bitmap, 4 x 4 pixels a cell. */
function inkInCells(strokes, radius, cells) {
  const n = 4 * cells;
  const share = new Float64Array(cells ** 2);
  const inked = new Uint8Array(n * n);
  const span = (a, b) => [Math.max(0, Math.floor(Math.min(a, b) - radius)), Math.min(n - 1, Math.ceil(Math.max(a, b) + radius))];
  for (const stroke of strokes) {
    stroke.forEach(([x1, y1], i) => {
      const [x0, y0] = stroke[Math.max(0, i - 1)];
      const [dx, dy] = [x1 - x0, y1 - y0];
      const [left, right] = span(x0, x1);
      const [top, bottom] = span(y0, y1);
      for (let row = top; row <= bottom; row++) {
        for (let column = left; column <= right; column++) {
          const px = column + 0.5 - x0;
          const py = row + 0.5 - y0;
          const along = Math.max(0, Math.min(1, (px * dx + py * dy) / (dx * dx + dy * dy || 1)));
          if (inked[row * n + column] || (px - along * dx) ** 2 + (py - along * dy) ** 2 > radius ** 2) continue;
          inked[row * n + column] = 1;
          share[Math.floor(row / 4) * cells + Math.floor(column / 4)] += 1 / 16;
        }
      }
    });
  }
  return share;
}

/** Scale strokes into the box that the training digits fill, with a pen that gives as much ink as theirs. */
function fit(strokes, { cells, box, pen, ink, by_mass: byMass }) {
  const range = (axis) => {
    const values = strokes.flat().map((point) => point[axis]);
    return [Math.min(...values), Math.max(...values)];
  };
  const ranges = [range(0), range(1)];
  const longest = Math.max(...ranges.map(([low, high]) => high - low), 0.1);
  const extent = ranges.map(([low, high]) => Math.max(high - low, longest / 4)); // no line becomes a square
  const middle = ranges.map(([low, high]) => (low + high) / 2);
  const place = (radius) => {
    const [width, height] = box.map((length, axis) => (length - 2 * radius) / extent[axis]);
    const across = Math.min(width, height); // narrow digits stay narrow
    const scale = [across, byMass ? across : height];
    return strokes.map((stroke) => stroke.map((point) => point.map((value, axis) => (value - middle[axis]) * scale[axis] + 2 * cells)));
  };
  const mean = (values) => values.reduce((sum, value) => sum + value) / values.length;
  if (ink) {
    let [thin, thick] = [1, 5];
    for (let i = 0; i < 7; i++) {
      pen = (thin + thick) / 2;
      if (mean(inkInCells(place(pen), pen, cells)) > ink) thick = pen;
      else thin = pen;
    }
  }
  const placed = place(pen);
  const share = inkInCells(placed, pen, cells);
  if (!byMass) return share;
  const total = share.reduce((sum, value) => sum + value);
  const centre = (index) => share.reduce((sum, value, i) => sum + value * (index(i) + 0.5), 0) / total;
  const move = [centre((i) => i % cells), centre((i) => Math.floor(i / cells))].map((at) => 4 * Math.round(cells / 2 - at));
  return inkInCells(placed.map((stroke) => stroke.map(([x, y]) => [x + move[0], y + move[1]])), pen, cells);
}

/** Cells, each enlarged by bilinear interpolation, in the middle of a side x side field of bytes. */
function enlarged(share, { cells, enlarge }, side) {
  const margin = (side - cells * enlarge) / 2;
  const image = new Uint8Array(side ** 2);
  const near = (pixel) => {
    const at = Math.max(0, (pixel + 0.5) / enlarge - 0.5);
    return [Math.floor(at), Math.min(Math.floor(at) + 1, cells - 1), at - Math.floor(at)];
  };
  for (let row = 0; row < cells * enlarge; row++) {
    for (let column = 0; column < cells * enlarge; column++) {
      const [[top, bottom, down], [left, right, across]] = [near(row), near(column)];
      const line = (y) => (1 - across) * share[y * cells + left] + across * share[y * cells + right];
      image[(row + margin) * side + column + margin] = Math.round(255 * ((1 - down) * line(top) + down * line(bottom)));
    }
  }
  return image;
}
