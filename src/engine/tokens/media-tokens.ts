/**
 * Tokens of pictures and documents by each vendor's published rule, from their size in pixels or pages: base64 is only how
 * they travel. Where a vendor publishes no rule, or a file cannot be read, the figure is an upper bound that the docstring of
 * its constant gives; a reservation that is too large is settled, one that is too small is not covered.
 */
import { assertNever, type MediaPart } from '../../types/index.ts'
import { type ImageRule, imageRuleOf } from './image-rules.ts'
import { type MediaSize, measureMedia } from './media-size.ts'
import { type MediaFamily, mediaFamilyOf } from './media-family.ts'

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
      return size.pixels === null ? rule.most : rule.tokens(size.pixels.width, size.pixels.height)
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
 * Text of a page, beside its picture. Anthropic: "typically 1,500–3,000 tokens per page" and "each page is converted into an
 * image" (platform.claude.com, PDF support). OpenAI puts "both extracted text and an image of each page" into the context
 * (developers.openai.com, PDF files) and gives no number: Anthropic's upper one is taken for it too.
 */
const pageTextTokens = 3_000

/** Nobody publishes at which size pages are drawn: US Letter at 200 dots an inch. */
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
