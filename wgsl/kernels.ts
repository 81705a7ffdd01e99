import type { KernelDefinition } from './core/index.ts';
import { AREA_RESIZE } from './image/area-resize.ts';
import { BALANCE_GRADIENTS, GRADIENT_SQUARES } from './image/balance-gradients.ts';
import { CROP, CROP_BACKWARD } from './image/crop.ts';
import { EXPOSURE, EXPOSURE_BACKWARD, EXPOSURE_UPDATE } from './image/exposure.ts';
import { EXPOSURE_FIT } from './image/exposure-fit.ts';
import {
  ALPHA_PICTURE,
  DEPTH_HISTOGRAM,
  DEPTH_PICTURE,
  NORMAL_PICTURE,
  STRAIGHT_ALPHA,
} from './image/frame-pictures.ts';
import { FROM_RGBA8 } from './image/from-rgba8.ts';
import { COMPOSITE_HALVES, PACK_HALVES } from './image/half-picture.ts';
import { PHOTOMETRIC_L1 } from './image/photometric.ts';
import { PHOTOMETRIC_REDUCE } from './image/picture.ts';
import { MASKED_L1, MEAN_CHUNKS, TOTAL_VARIATION } from './image/pixel-loss.ts';
import { RECOLOR } from './image/recolor.ts';
import { SSIM_BACKWARD, SSIM_FORWARD } from './image/ssim-window.ts';
import {
  STRUCTURE_BACKWARD,
  STRUCTURE_CORRELATE,
  STRUCTURE_FINISH,
  STRUCTURE_HALVE,
} from './image/structure.ts';
import { TO_I420 } from './image/to-i420.ts';
import { TO_RGBA8 } from './image/to-rgba8.ts';
import { UNDISTORT } from './image/undistort.ts';
import { WARP, WARP_BACKWARD } from './image/warp.ts';
import { WARP_ERROR, WARP_ERROR_FINISH } from './image/warp-error.ts';
import { ATTENTION, ATTENTION_BACKWARD, SOFTMAX, SOFTMAX_BACKWARD } from './nn/attention.ts';
import { COSINE_SIMILARITY, COSINE_SIMILARITY_BACKWARD } from './nn/cosine-similarity.ts';
import { DIRECTION_LOSS } from './nn/direction-loss.ts';
import { ACTIVATION, ACTIVATION_BACKWARD, ADD, ADD_BACKWARD } from './nn/elementwise.ts';
import { LAYER_NORM, LAYER_NORM_BACKWARD } from './nn/layer-norm.ts';
import { PRODUCT } from './nn/product.ts';
import { PRODUCT_VEC4 } from './nn/product-vec4.ts';
import { SLICE, SLICE_BACKWARD } from './nn/slice.ts';
import {
  IMAGE_TOKENS,
  IMAGE_TOKENS_BACKWARD,
  PATCHIFY,
  PATCHIFY_BACKWARD,
  POOL,
  POOL_BACKWARD,
  TEXT_TOKENS,
} from './nn/tokens.ts';
import { TRANSPOSE } from './nn/transpose.ts';
import { UNIT_ROWS } from './nn/unit-rows.ts';
import { ADAM } from './optim/adam.ts';
import { RADIX_HISTOGRAM, RADIX_SCAN, RADIX_SCATTER } from './sort/radix-pass.ts';
import { SCAN, SCAN_REDUCE } from './sort/scan.ts';
import { AXIS_QUANTILES } from './splat/axis-quantiles.ts';
import { ADD_CONTRIBUTIONS } from './splat/contributions.ts';
import { ASSIGN_SOURCES } from './splat/densify/assign-sources.ts';
import { COPY_ROWS } from './splat/densify/copy-rows.ts';
import { DRAW_SOURCES } from './splat/densify/draw-sources.ts';
import { GATHER_ROWS } from './splat/densify/gather-rows.ts';
import { PERTURB_MEANS } from './splat/densify/perturb-means.ts';
import { PLACE_ROWS } from './splat/densify/place-rows.ts';
import { PLAN_GROWTH } from './splat/densify/plan-growth.ts';
import { RELOCATE_SOURCES } from './splat/densify/relocate-sources.ts';
import { RESET_OPACITY } from './splat/densify/reset-opacity.ts';
import { SAMPLING_WEIGHTS } from './splat/densify/sampling-weights.ts';
import { SCREEN_STATISTICS } from './splat/densify/screen-statistics.ts';
import { SPLIT_LONG_AXIS } from './splat/densify/split-long-axis.ts';
import { SPLIT_ROWS } from './splat/densify/split-rows.ts';
import { SPLIT_SCORES } from './splat/densify/split-scores.ts';
import { BLEND_ROWS } from './splat/edit/blend-rows.ts';
import { COLOR_DECAY } from './splat/edit/color-decay.ts';
import { OUTSIDE_MASKS } from './splat/edit/outside-masks.ts';
import { RECOLOR_SH } from './splat/edit/recolor-sh.ts';
import { REGION_WEIGHTS } from './splat/edit/region-weights.ts';
import { SCALE_STEPS } from './splat/edit/scale-steps.ts';
import { INTERSECTION_COUNTS, INTERSECTION_OFFSETS } from './splat/intersection-offsets.ts';
import { PROJECT_BACKWARD } from './splat/parameter-gradients.ts';
import { EMIT, PROJECT, RASTERIZE_FORWARD, TILE_RANGES } from './splat/rasterizer.ts';
import { RASTERIZE_BACKWARD } from './splat/rasterizer-backward.ts';
import { SHORTEST_AXES } from './splat/shortest-axes.ts';
import { START_VALUES } from './splat/start-values.ts';
import { POSE_GAUGE } from './splat/update/pose-gauge.ts';
import { POSE_GRADIENTS, POSE_UPDATE } from './splat/update/pose-training.ts';
import { ADAM_GEOMETRY, ADAM_SH, BACKWARD_SUMS } from './splat/update/splat-adam.ts';
import {
  ATTENTION_BACKWARD_KEYS,
  ATTENTION as TENSOR_ATTENTION,
  ATTENTION_BACKWARD as TENSOR_ATTENTION_BACKWARD,
} from './transformer/attention.ts';
import { PATCH_TILES, PATCH_TILES_BACKWARD } from './transformer/embedding.ts';
import {
  LINEAR,
  LINEAR_ACTIVATION,
  LINEAR_ACTIVATION_BACKWARD,
  LINEAR_HEADS,
} from './transformer/product.ts';
import {
  EMBED_TOKENS,
  EMBED_TOKENS_BACKWARD,
  NORMALISE,
  NORMALISE_BACKWARD,
  SCALE_ROWS,
} from './transformer/rows.ts';
import { PACK_TILES } from './transformer/weights.ts';

/** Every kernel of the library, with its variants and constants. For tests and tools: an engine imports its own kernels only. */
export const KERNELS: readonly KernelDefinition[] = [
  RADIX_HISTOGRAM,
  RADIX_SCAN,
  RADIX_SCATTER,
  SCAN_REDUCE,
  SCAN,
  AREA_RESIZE,
  GRADIENT_SQUARES,
  BALANCE_GRADIENTS,
  CROP,
  CROP_BACKWARD,
  EXPOSURE,
  EXPOSURE_BACKWARD,
  EXPOSURE_UPDATE,
  EXPOSURE_FIT,
  FROM_RGBA8,
  PACK_HALVES,
  COMPOSITE_HALVES,
  PHOTOMETRIC_L1,
  PHOTOMETRIC_REDUCE,
  SSIM_FORWARD,
  SSIM_BACKWARD,
  TOTAL_VARIATION,
  MASKED_L1,
  MEAN_CHUNKS,
  STRUCTURE_HALVE,
  STRUCTURE_CORRELATE,
  STRUCTURE_FINISH,
  STRUCTURE_BACKWARD,
  RECOLOR,
  TO_I420,
  TO_RGBA8,
  STRAIGHT_ALPHA,
  ALPHA_PICTURE,
  DEPTH_HISTOGRAM,
  DEPTH_PICTURE,
  NORMAL_PICTURE,
  UNDISTORT,
  WARP,
  WARP_BACKWARD,
  WARP_ERROR,
  WARP_ERROR_FINISH,
  ADD_CONTRIBUTIONS,
  AXIS_QUANTILES,
  ASSIGN_SOURCES,
  COPY_ROWS,
  DRAW_SOURCES,
  GATHER_ROWS,
  PERTURB_MEANS,
  PLACE_ROWS,
  PLAN_GROWTH,
  RELOCATE_SOURCES,
  RESET_OPACITY,
  SAMPLING_WEIGHTS,
  SCREEN_STATISTICS,
  SPLIT_LONG_AXIS,
  SPLIT_ROWS,
  SPLIT_SCORES,
  REGION_WEIGHTS,
  OUTSIDE_MASKS,
  BLEND_ROWS,
  COLOR_DECAY,
  RECOLOR_SH,
  SCALE_STEPS,
  INTERSECTION_COUNTS,
  INTERSECTION_OFFSETS,
  PROJECT_BACKWARD,
  RASTERIZE_BACKWARD,
  PROJECT,
  EMIT,
  TILE_RANGES,
  RASTERIZE_FORWARD,
  START_VALUES,
  SHORTEST_AXES,
  BACKWARD_SUMS,
  POSE_GAUGE,
  POSE_GRADIENTS,
  POSE_UPDATE,
  ADAM_GEOMETRY,
  ADAM_SH,
  ADAM,
  ATTENTION,
  ATTENTION_BACKWARD,
  SOFTMAX,
  SOFTMAX_BACKWARD,
  COSINE_SIMILARITY,
  COSINE_SIMILARITY_BACKWARD,
  DIRECTION_LOSS,
  SLICE,
  SLICE_BACKWARD,
  UNIT_ROWS,
  ACTIVATION,
  ACTIVATION_BACKWARD,
  ADD,
  ADD_BACKWARD,
  LAYER_NORM,
  LAYER_NORM_BACKWARD,
  PRODUCT,
  PRODUCT_VEC4,
  TRANSPOSE,
  PATCHIFY,
  PATCHIFY_BACKWARD,
  IMAGE_TOKENS,
  IMAGE_TOKENS_BACKWARD,
  TEXT_TOKENS,
  POOL,
  POOL_BACKWARD,
  PACK_TILES,
  PATCH_TILES,
  PATCH_TILES_BACKWARD,
  EMBED_TOKENS,
  EMBED_TOKENS_BACKWARD,
  NORMALISE,
  NORMALISE_BACKWARD,
  SCALE_ROWS,
  LINEAR,
  LINEAR_ACTIVATION,
  LINEAR_ACTIVATION_BACKWARD,
  LINEAR_HEADS,
  TENSOR_ATTENTION,
  TENSOR_ATTENTION_BACKWARD,
  ATTENTION_BACKWARD_KEYS,
];
