/**
 * Tokens of pictures and documents by each vendor's published rule, from their size in pixels or pages: base64 is only how
 * they travel. Where a vendor publishes no rule, or a file cannot be read, the number is an upper bound, explained at its
 * constant: a reservation that is too large is settled, one that is too small may fail the answer.
 *
 * Pictures are sent without a level of detail, so the default of each vendor counts.
 *
 * Sources, read in November 2026: OpenAI "Images and vision" (developers.openai.com/api/docs/guides/images-vision: model sizing
 * behavior, calculating costs); Anthropic "Vision" and "Coordinates and bounding boxes" (platform.claude.com/docs/en/
 * build-with-claude/vision); Google "Image understanding" and "Media resolution" (ai.google.dev/gemini-api/docs).
 */
import { assertNever } from '../../base/index.ts'
import type { MediaPart } from '../../protocol/index.ts'
import { measureMedia, type MediaSize } from './media-size.ts'

/** @param wire name of the wire. @param model as the endpoint knows it. @returns at least 1. Never throws. */
export type MediaTokens = (part: MediaPart, wire: string, model: string) => number

/** Reads the part each time: a large PDF takes tens of milliseconds. See `createMediaTokens`. */
export const mediaTokens: MediaTokens = (part, wire, model) => tokensOf(measureMedia(part), wire, model)

/** The same, with the size of each part kept as long as the part lives: a part is measured once, not once a request. */
export function createMediaTokens(): MediaTokens {
  const sizes = new WeakMap<MediaPart, MediaSize>()
  return (part, wire, model) => {
    const size = sizes.get(part) ?? measureMedia(part)
    sizes.set(part, size)
    return tokensOf(size, wire, model)
  }
}

function tokensOf(size: MediaSize, wire: string, model: string): number {
  switch (size.kind) {
    case 'image': {
      const rule = imageRuleOf(wire, model)
      return size.pixels === null ? rule.max : rule.tokens(size.pixels.width, size.pixels.height)
    }
    case 'pdf':
      return size.pages * tokensOfPage(mediaFamilyOf(wire, model), imageRuleOf(wire, model))
    case 'audio':
      return atLeastOne((size.bytes / leastAudioBytesPerSecond) * audioTokensPerSecond)
    case 'video':
      return atLeastOne((size.bytes / leastVideoBytesPerSecond) * videoTokensPerSecond)
    case 'other':
      // No tokenizer makes more tokens than bytes.
      return atLeastOne(size.bytes)
    default:
      return assertNever(size)
  }
}

/**
 * Text of a page, in addition to its picture. Anthropic: "typically 1,500–3,000 tokens per page" and "each page is converted into an
 * image" (platform.claude.com, PDF support). OpenAI puts "both extracted text and an image of each page" into the context
 * (developers.openai.com, PDF files) and gives no number: Anthropic's upper one is taken for it too.
 */
const pageTextTokens = 3_000

/** No vendor publishes the size at which pages are drawn: US Letter at 200 dots an inch. */
const pagePixels = { width: 1_700, height: 2_200 } as const

/**
 * Gemini: a page is 258 tokens (ai.google.dev, document understanding); from Gemini 3 on 560, its medium resolution being
 * the default of documents (ai.google.dev, media resolution). Text that the file holds is not charged.
 */
function tokensOfPage(family: MediaFamily, rule: ImageRule): number {
  if (family === 'gemini') return 258
  if (family === 'gemini-3') return 560
  return pageTextTokens + rule.tokens(pagePixels.width, pagePixels.height)
}

/** Gemini: 32 tokens a second (ai.google.dev, audio understanding); OpenAI takes fewer. Speech is hardly ever coded below 16 kbit/s. */
const audioTokensPerSecond = 32
const leastAudioBytesPerSecond = 2_000

/** Gemini: about 300 tokens a second with sound, at one frame a second (ai.google.dev, video understanding). 128 kbit/s is a poor picture. */
const videoTokensPerSecond = 300
const leastVideoBytesPerSecond = 16_000

function atLeastOne(tokens: number): number {
  return Math.max(1, Math.ceil(tokens))
}

type MediaFamily = 'openai' | 'anthropic' | 'gemini' | 'gemini-3' | 'unknown'

/** @param model may stand behind a router's prefix: `anthropic/claude-…` through a wire of OpenAI's is counted as Claude. */
function mediaFamilyOf(wire: string, model: string): MediaFamily {
  const name = bareModel(model)
  if (name.includes('claude')) return 'anthropic'
  const gemini = /gemini-(\d+)/.exec(name)?.[1]
  if (gemini !== undefined) return Number(gemini) < 3 ? 'gemini' : 'gemini-3'
  if (/^(?:gpt-(?!oss)|chatgpt|o[1-9](?:$|-)|codex|computer-use)/.test(name)) return 'openai'
  if (wire === 'anthropic') return 'anthropic'
  return wire === 'gemini' ? 'gemini-3' : 'unknown'
}

/** In lower case, without `vendor/` and `models/` before it. */
function bareModel(model: string): string {
  return model.slice(model.lastIndexOf('/') + 1).toLowerCase()
}

interface ImageRule {
  /** @param width in pixels, at least 1. @returns a whole number, at least 1 */
  tokens(width: number, height: number): number
  /** No picture costs more: for those whose size is unknown. */
  readonly max: number
}

function imageRuleOf(wire: string, model: string): ImageRule {
  const family = mediaFamilyOf(wire, model)
  if (family === 'openai') return openAiRule(bareModel(model))
  if (family === 'anthropic') return isHighResolution(bareModel(model)) ? patches28(2_576, 4_784) : patches28(1_568, 1_568)
  if (family === 'gemini') return geminiTiles
  return family === 'gemini-3' ? fixed(1_120) : patches28(Infinity, unknownMax)
}

/**
 * Models of vendors without a rule here (Qwen, Llama, Mistral … behind a compatible service): 28-pixel patches, the finest that
 * any published rule has, up to the 16 384 that Qwen2-VL takes.
 */
const unknownMax = 16_384

/** Gemini 3 and later: a fixed number at the default resolution, which for pictures is high (media resolution, token counts). */
function fixed(tokens: number): ImageRule {
  return { tokens: () => tokens, max: tokens }
}

/**
 * Gemini before 3: 258 tokens when both sides are at most 384 pixels; else tiles of 258 each, with the published rough formula
 * for their number: the side of a tile is two thirds of the shorter side. 960 × 540 makes 3 × 2 tiles.
 */
const geminiTiles: ImageRule = {
  tokens: (width, height) => {
    if (width <= 384 && height <= 384) return 258
    const unit = Math.max(1, Math.floor(Math.min(width, height) / 1.5))
    // A strip eight times as long as it is high has 24; Google gives no bound for longer ones.
    return Math.min(24, Math.ceil(width / unit) * Math.ceil(height / unit)) * 258
  },
  max: 24 * 258,
}

/**
 * Anthropic: ⌈width / 28⌉ × ⌈height / 28⌉ after the picture was made smaller, its shape kept, to the largest size within both
 * the longest edge and the most tokens. This replaced the older "width × height / 750", which differs by at most 5 %.
 */
function patches28(edge: number, max: number): ImageRule {
  return { tokens: (width, height) => fittedPatches(width, height, edge, max), max }
}

function fittedPatches(width: number, height: number, edge: number, max: number): number {
  const patches = (scale: number): number => Math.ceil((width * scale) / 28) * Math.ceil((height * scale) / 28)
  let high = Math.min(1, edge / Math.max(width, height))
  if (patches(high) <= max) return patches(high)
  let low = 0
  // The number of patches never falls as the scale grows: 50 halvings find the largest that fits as finely as numbers go.
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2
    if (patches(middle) <= max) low = middle
    else high = middle
  }
  return Math.max(1, patches(low))
}

/** High-resolution models of Anthropic: Opus 4.7 and everything after it. A name without a version is a newest model. */
function isHighResolution(model: string): boolean {
  const [, major, minor] = /claude-(?:[a-z]+-)*(\d{1,2})(?:[-.](\d{1,2})(?!\d))?(?!\d)/.exec(model) ?? []
  return major === undefined || Number(major) > 4 || (major === '4' && Number(minor ?? 0) >= 7)
}

/** OpenAI by model, first match first. The newest rule is for the newest models, whatever they will be called. */
const openAiRules: readonly (readonly [RegExp, ImageRule])[] = [
  [/^gpt-4o-mini/, tiles(2_833, 5_667)],
  [/^(?:gpt-4\.1|gpt-5(?:\.\d+)?)-mini/, patches32(1.62, 1_536, 2_048)],
  [/^(?:gpt-4\.1|gpt-5(?:\.\d+)?)-nano/, patches32(2.46, 1_536, 2_048)],
  [/^(?:gpt-4|chatgpt-4)/, tiles(85, 170)],
  [/^o4-mini/, patches32(1.72, 1_536, 2_048)],
  [/^o\d/, tiles(75, 150)],
  [/^computer-use/, tiles(65, 129)],
  // Their multiplier is not in the table; the models after them have 1.2.
  [/^(?:gpt-5(?:\.1)?-codex-mini|codex-mini|gpt-5\.[23])/, patches32(1.2, 1_536, 2_048)],
  [/^gpt-5(?:\.1)?(?:-|$)/, tiles(70, 140)],
  [/^gpt-5\.4/, patches32(1.2, 2_500, 2_048)],
  [/^gpt-5\.5/, patches32(1.2, 10_000, 6_000)],
]

/** GPT-5.6 and later keep the size of a picture; one of more than 30 000 patches is refused. */
const openAiNewest = patches32(1.2, 30_000, 65_535)

function openAiRule(model: string): ImageRule {
  return openAiRules.find(([name]) => name.test(model))?.[1] ?? openAiNewest
}

/** Scaled to fit 2048 × 2048, then to a shorter side of at most 768; each tile of 512 pixels costs. */
function tiles(base: number, tile: number): ImageRule {
  return {
    tokens: (width, height) => {
      const fit = Math.min(1, 2_048 / Math.max(width, height))
      const scale = fit * Math.min(1, 768 / (Math.min(width, height) * fit))
      return base + tile * Math.ceil((width * scale) / 512) * Math.ceil((height * scale) / 512)
    },
    // 2048 × 768
    max: base + tile * 8,
  }
}

/** Patches of 32 pixels, at most `budget`, longest side at most `edge`; the published formula, with its correction for whole patches. */
function patches32(multiplier: number, budget: number, edge: number): ImageRule {
  const count = (width: number, height: number): number => Math.ceil(width / 32) * Math.ceil(height / 32)
  const fitted = (fullWidth: number, fullHeight: number): number => {
    const fit = Math.min(1, edge / Math.max(fullWidth, fullHeight))
    const width = Math.max(1, fullWidth * fit)
    const height = Math.max(1, fullHeight * fit)
    if (count(width, height) <= budget) return count(width, height)
    const shrink = Math.sqrt((32 * 32 * budget) / (width * height))
    const [across, down] = [(width * shrink) / 32, (height * shrink) / 32]
    const adjusted = shrink * Math.min(Math.floor(across) / across, Math.floor(down) / down)
    return Math.min(budget, Math.max(1, count(Math.floor(width * adjusted), Math.floor(height * adjusted))))
  }
  return { tokens: (width, height) => Math.ceil(fitted(width, height) * multiplier), max: Math.ceil(budget * multiplier) }
}
