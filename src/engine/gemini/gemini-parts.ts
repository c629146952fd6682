/** Messages as Gemini's parts. A message becomes JSON text here, once; `gemini-request.ts` puts the texts together. */
import type { Blob, FunctionResponse, FunctionResponsePart, Part } from '@google/genai'
import type { AssistantMessage, InputKind, MediaPart, ModelFacts, ToolCallPart, ToolMessage, UserMessage } from '../../types/index.ts'
import { maxToolNameChars } from '../limits.ts'
import { openSeal } from './gemini-seal.ts'
import { isNewGeneration } from './gemini-traits.ts'

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

export interface ResultJson {
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
  const functionResponse: FunctionResponse = { name: sendableName(result.name), response: result.ok ? { result: text } : { error: text } }
  if (id !== '') functionResponse.id = id
  if (inside.length > 0) functionResponse.parts = inside
  return { response: joined([{ functionResponse }]), after: joined(after) }
}

/** A half of a surrogate pair is no UTF-8 and would refuse the whole conversation. */
function textPart(text: string): Part {
  return { text: text.toWellFormed() }
}

/** A name that a model made up may be one that the service refuses, and with it the whole conversation. */
function sendableName(name: string): string {
  const clean = name.replaceAll(/[^\w.:-]/g, '_').slice(0, maxToolNameChars)
  return /^[A-Za-z_]/.test(clean) ? clean : `_${clean}`.slice(0, maxToolNameChars)
}

function callPart(call: ToolCallPart, { model }: PartContext): Part {
  const seal = openSeal(call.sealed, model)
  const part: Part = { functionCall: { name: sendableName(call.name), args: sendableArguments(call.arguments) } }
  if (seal !== null && seal.id !== '') part.functionCall = { ...part.functionCall, id: seal.id }
  if (seal !== null && seal.signature !== '') part.thoughtSignature = seal.signature
  return part
}

/** Arguments must be an object. What is none is wrapped, so that the model can still read what it wrote. */
function sendableArguments(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      // Text that nests too deep can be read but not written.
      JSON.stringify(value)
      return value as Record<string, unknown>
    }
  } catch {
    // Not JSON, or too deep: the wrapped form.
  }
  return text.trim() === '' ? {} : { invalid_arguments: text.toWellFormed() }
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
    image: ['picture', 'pictures'],
    pdf: ['document', 'documents'],
    audio: ['recording', 'recordings'],
    video: ['video', 'videos'],
    text: ['text file', 'text files'],
  }
  const [one, many] = kind === null ? ['file', 'files of this type'] : words[kind]
  return `[${one} left out: this model does not take ${many}]`
}

/** The types that the vendor's documentation names for media inside a response. */
function fitsResponse(mediaType: string): boolean {
  return ['image/png', 'image/jpeg', 'image/webp', 'application/pdf', 'text/plain'].includes(mediaType)
}

function joined(parts: readonly Part[]): string {
  return parts.map((part) => JSON.stringify(part)).join(',')
}
