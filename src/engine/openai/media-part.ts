/** What OpenAI's protocols do with pictures and documents: data URIs, or a note for a model that cannot take them. */
import type { MediaPart, ModelFacts } from '../../types/index.ts'

/** The picture formats that the vendor names; one that it does not know would be refused with the whole conversation. */
const pictures: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif'])

/** @returns how the part is sent, or null when it is left out. */
export function mediaKind({ mediaType }: MediaPart, facts: ModelFacts): 'image' | 'pdf' | null {
  if (pictures.has(mediaType)) return facts.input.includes('image') ? 'image' : null
  return mediaType === 'application/pdf' && facts.input.includes('pdf') ? 'pdf' : null
}

/** Stands in the place of a part that is left out. */
export function leftOut({ mediaType }: MediaPart): string {
  if (mediaType === 'application/pdf') return '[document left out: this model does not take documents]'
  if (pictures.has(mediaType)) return '[picture left out: this model does not take pictures]'
  return `[file left out: ${mediaType} cannot be sent to this model]`
}

export function dataUri({ mediaType, data }: MediaPart): string {
  return `data:${mediaType};base64,${data}`
}

/** A document without a name is refused. */
export function fileName({ name }: MediaPart): string {
  return name === '' ? 'document.pdf' : name
}
