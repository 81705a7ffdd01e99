/** The prompts of docs/restyling.md's table and of docs/gallery.md. */
export const PROMPTS = [
  'an orange watercolor painting',
  'pop art',
  'green stained glass',
  'a neon sign',
  'mosaic',
  'wood',
  'an oil painting',
  'a pencil sketch',
  'starry night by van gogh',
  'gold',
  'ice',
  'lava',
];
