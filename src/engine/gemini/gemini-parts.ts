/** Messages as Gemini's parts. A message becomes JSON text here, once; `gemini-wire.ts` puts the texts together. */
import type { Blob, FunctionResponse, FunctionResponsePart, Part } from '@google/genai'
import type { Json, JsonObject } from '../../base/index.ts'
import type {
  AssistantMessage,
  InputKind,
  MediaPart,
  ModelFacts,
  Sealed,
  ToolCallPart,
  ToolMessage,
  UserMessage,
} from '../../protocol/index.ts'
import { maxToolNameChars } from '../limits.ts'
import { isNewGeneration } from './gemini-settings.ts'
import { sendableName, sendableObject } from '../http/request-body.ts'

/** What a model takes, and its name, for which seals are opened. */
export interface PartContext {
  readonly model: string
  readonly facts: ModelFacts
}

/** @returns the parts as JSON, with commas between; may be empty. */
export function userParts(message: UserMessage, context: PartContext): string {
  const parts: Part[] = []
  for (const part of message.parts) {
    if (part.type === 'media') parts.push(mediaPart(part, context.facts))
    else if (part.text !== '') parts.push(textPart(part.text))
  }
  return joined(parts)
}

/** Reasoning goes back only where it was signed, and by this model; all other reasoning stays behind. */
export function modelParts(message: AssistantMessage, context: PartContext): string {
  const parts: Part[] = []
  for (const part of message.parts) {
    if (part.type === 'tool_call') {
      parts.push(callPart(part, context))
      continue
    }
    const seal = openSeal(part.sealed, context.model)
    const signed = seal !== null && seal.signature !== '' ? seal : null
    const at = signed === null ? part.text.length : Math.max(0, part.text.length - signed.chars)
    if (part.type === 'text' && at > 0) parts.push(textPart(part.text.slice(0, at)))
    if (signed === null) continue
    const thought = part.type === 'reasoning' ? { thought: true } : {}
    parts.push({ ...textPart(part.text.slice(at)), ...thought, thoughtSignature: signed.signature })
  }
  return joined(parts)
}

/** @returns the id under which the endpoint knows a call; empty when it gave none, and then none is sent. */
export function ownId(call: ToolCallPart, model: string): string {
  return openSeal(call.sealed, model)?.id ?? ''
}

interface ResultJson {
  readonly response: string
  /** Media for which a response has no place: they follow all responses of the step. May be empty. */
  readonly after: string
}

/** @param id as the endpoint knows the call, or empty */
export function resultParts({ parts: [result] }: ToolMessage, id: string, { model, facts }: PartContext): ResultJson {
  const inside: FunctionResponsePart[] = []
  const after: Part[] = []
  for (const media of result.media ?? []) {
    const part = mediaPart(media, facts)
    if (part.inlineData !== undefined && isNewGeneration(model) && fitsResponse(media.mediaType))
      inside.push({ inlineData: part.inlineData })
    else after.push(part)
  }
  const text = result.text.toWellFormed()
  const functionResponse: FunctionResponse = { name: functionName(result.name), response: result.ok ? { result: text } : { error: text } }
  if (id !== '') functionResponse.id = id
  if (inside.length > 0) functionResponse.parts = inside
  return { response: joined([{ functionResponse }]), after: joined(after) }
}

/** A half of a surrogate pair is no UTF-8 and would refuse the whole conversation. */
function textPart(text: string): Part {
  return { text: text.toWellFormed() }
}

/** A name that a model made up may be one that the service refuses, and with it the whole conversation. */
function functionName(name: string): string {
  const clean = sendableName(name, maxToolNameChars, /[^\w.:-]/g)
  return /^[A-Za-z_]/.test(clean) ? clean : `_${clean}`.slice(0, maxToolNameChars)
}

function callPart(call: ToolCallPart, { model }: PartContext): Part {
  const seal = openSeal(call.sealed, model)
  const part: Part = { functionCall: { name: functionName(call.name), args: sendableArguments(call.arguments) } }
  if (seal !== null && seal.id !== '') part.functionCall = { ...part.functionCall, id: seal.id }
  if (seal !== null && seal.signature !== '') part.thoughtSignature = seal.signature
  return part
}

function sendableArguments(text: string): JsonObject {
  const value = sendableObject(text.toWellFormed())
  try {
    // Text that nests too deep can be read but not written.
    JSON.stringify(value)
    return value
  } catch {
    return { invalid_arguments: text.toWellFormed() }
  }
}

function mediaPart(media: MediaPart, facts: ModelFacts): Part {
  const kind = kindOf(media.mediaType)
  if (kind === null || !facts.input.includes(kind)) return { text: leftOut(kind) }
  const inlineData: Blob = { mimeType: media.mediaType, data: media.data }
  return { inlineData }
}

function kindOf(mediaType: string): InputKind | null {
  if (mediaType === 'application/pdf') return 'pdf'
  const top = mediaType.slice(0, mediaType.indexOf('/'))
  return top === 'image' || top === 'audio' || top === 'video' || top === 'text' ? top : null
}

function leftOut(kind: InputKind | null): string {
  const words: Readonly<Record<InputKind, readonly [string, string]>> = {
    image: ['image', 'images'],
    pdf: ['document', 'documents'],
    audio: ['audio', 'audio'],
    video: ['video', 'videos'],
    text: ['text file', 'text files'],
  }
  const [one, many] = kind === null ? ['file', 'files of this type'] : words[kind]
  return `[${one} omitted: this model does not accept ${many}]`
}

/** The types that the vendor's documentation names for media inside a response. */
function fitsResponse(mediaType: string): boolean {
  return ['image/png', 'image/jpeg', 'image/webp', 'application/pdf', 'text/plain'].includes(mediaType)
}

function joined(parts: readonly Part[]): string {
  return parts.map((part) => JSON.stringify(part)).join(',')
}

export const wireName = 'gemini'

/**
 * Data that Gemini needs back with a part: the signature of its thought, and the id it gave a call. A signature belongs to the
 * exact part it came with, often a last, empty one; so the seal records how many characters at the end of the merged text
 * were that part, and the request sends two parts.
 */
interface PartSeal {
  /** Base64, opaque. Empty: no signature. */
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
function openSeal(sealed: Sealed | undefined, model: string): PartSeal | null {
  if (sealed === undefined || sealed.wire !== wireName || sealed.model !== model) return null
  const { signature, id, chars } = sealed.data
  return {
    signature: typeof signature === 'string' ? signature : '',
    id: typeof id === 'string' ? id : '',
    chars: typeof chars === 'number' && chars > 0 ? chars : 0,
  }
}
