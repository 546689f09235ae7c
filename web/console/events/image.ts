/** The image of a plan, small enough to be sent and to be loaded at a venue. */

/** The service takes no larger one. */
export const LARGEST_BYTES = 512 * 1024;
/** Of the longer side, in pixels: a plan has small print. */
const LONGEST_SIDE = 3000;
const GOOD = 0.85;
/** Small print is lost with the pixels before it is lost with the quality. */
const FAIR = 0.6;

export interface PlanImage {
  /** A `data:` URL. */
  url: string;
  bytes: number;
  width: number;
  height: number;
}

/** A version that is small enough, with as many pixels as there is room for. Throws when the file is no image. */
export async function scaledImage(file: Blob): Promise<PlanImage> {
  const bitmap = await createImageBitmap(file);
  try {
    let canvas = draw(bitmap, Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height)));
    let blob = await encode(canvas, GOOD);
    if (blob.size > LARGEST_BYTES) blob = await encode(canvas, FAIR);
    while (blob.size > LARGEST_BYTES) {
      // The bytes grow with the pixels.
      const smaller = 0.95 * Math.sqrt(LARGEST_BYTES / blob.size);
      canvas = draw(bitmap, (smaller * canvas.width) / bitmap.width);
      blob = await encode(canvas, FAIR);
    }
    return { url: await urlOf(blob), bytes: blob.size, width: canvas.width, height: canvas.height };
  } finally {
    bitmap.close();
  }
}

export function sizeOf(url: string): Promise<{ width: number; height: number }> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () => reject(new Error("this is no image"));
    image.src = url;
  });
}

function draw(bitmap: ImageBitmap, scale: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser cannot draw");
  context.imageSmoothingQuality = "high";
  // JPEG knows no transparency, and plans are drawn on paper.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** As WebP, or as JPEG by browsers that cannot write it. */
async function encode(canvas: HTMLCanvasElement, quality: number): Promise<Blob> {
  const as = (type: string) => new Promise<Blob | null>((done) => canvas.toBlob(done, type, quality));
  const webp = await as("image/webp");
  const blob = webp?.type === "image/webp" ? webp : await as("image/jpeg");
  if (!blob) throw new Error("this browser cannot write images");
  return blob;
}

function urlOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
