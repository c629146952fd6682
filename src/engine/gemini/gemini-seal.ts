/**
 * What Gemini wants back with a part of its answer: the signature of its thought, and the id it gave a call. A signature
 * belongs to the very part it came with, and a stream often brings it with a last, empty part; so the seal says how many
 * characters at the end of the merged text were that part, and the request gives two parts back.
 */
import type { Json, Sealed } from '../../types/index.ts'

export const wireName = 'gemini'

export interface PartSeal {
  /** Base64, opaque. Empty: there was none. */
  readonly signature: string
  /** The id that the endpoint itself gave a call; empty: it gave none. */
  readonly id: string
  /** Characters at the end of a text that the signature belongs to. */
  readonly chars: number
}

/** @returns the seal of a part, or null when the part came with nothing to keep. */
export function sealPart(model: string, { signature, id, chars }: PartSeal): Sealed | null {
  if (signature === '' && id === '') return null
  const data: Record<string, Json> = {}
  if (signature !== '') data['signature'] = signature
  if (id !== '') data['id'] = id
  if (chars > 0) data['chars'] = chars
  return { wire: wireName, model, data }
}

/** @returns what was sealed, or null for a seal of another wire or model: to this one it means nothing. */
export function openSeal(sealed: Sealed | undefined, model: string): PartSeal | null {
  if (sealed === undefined || sealed.wire !== wireName || sealed.model !== model) return null
  const { signature, id, chars } = sealed.data
  return {
    signature: typeof signature === 'string' ? signature : '',
    id: typeof id === 'string' ? id : '',
    chars: typeof chars === 'number' && chars > 0 ? chars : 0,
  }
}
