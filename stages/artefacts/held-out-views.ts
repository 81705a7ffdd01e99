import * as z from 'zod';
import { leadsOut } from './zip-directory.ts';

/** `views.json` among the records of score, in `held-out/`. */
export const HELD_OUT_FILE = 'held-out/views.json';

const file = z
  .string()
  .max(500)
  .refine((path) => !leadsOut(path), 'leads out of the folder of the records');
const side = z.object({
  /** Absent where a mask covers the photograph. */
  psnr: z.number().optional(),
  ssim: z.number().optional(),
  /** The render, below the folder of the records, like `photograph`. */
  render: file,
});

/** The held-out views: their photographs, the renders of the splat, and those of the splat before restyling. */
export const heldOutSchema = z.array(
  z.object({ name: z.string(), photograph: file, now: side, before: side.optional() }),
);

export type HeldOutView = z.output<typeof heldOutSchema>[number];
