/** From bytes to a checked client frame, or to an error that names the field and what was expected. Never throws. */
import type { z } from 'zod'
import { type ClientFrame, clientFrameSchema, type Failure, nestsDeeper } from '../types/index.ts'
import { maxInputDepth, maxNamedFields } from './limits.ts'

export type ReadFrame =
  | { readonly ok: true; readonly frame: ClientFrame }
  /** `requestId` as far as it could be read, so that the error finds the one who asked. */
  | { readonly ok: false; readonly requestId: string | null; readonly failure: Failure }

const shape = 'A frame is {"type": "…", "payload": {"request_id": "…", …}}.'

/** @param data a complete WebSocket message of acceptable size */
export function readFrame(data: Buffer, isBinary: boolean): ReadFrame {
  if (isBinary) return wrong(null, 'The frame is binary.', `Send text frames with JSON. ${shape}`)
  let value: unknown
  try {
    value = JSON.parse(data.toString())
  } catch {
    return wrong(null, 'The frame is not JSON.', shape)
  }
  const requestId = requestIdOf(value)
  // Only a call's input may nest; the schema of every other frame is flat and drops what it does not know.
  if (fieldOf(value, 'type') === 'call' && nestsDeeper(value, maxInputDepth))
    return wrong(requestId, `The frame nests deeper than ${maxInputDepth} levels.`, 'Flatten the input.')
  const parsed = clientFrameSchema.safeParse(value)
  if (parsed.success) return { ok: true, frame: parsed.data }
  return wrong(requestId, ...describe(value, parsed.error.issues))
}

function describe(value: unknown, issues: readonly z.core.$ZodIssue[]): [message: string, hint: string] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ['The frame is no JSON object.', shape]
  const type = fieldOf(value, 'type')
  const unknownType = issues.find((issue) => issue.code === 'invalid_union')
  if (unknownType !== undefined && 'options' in unknownType) {
    const known = (unknownType.options as readonly string[] | undefined)?.join(', ') ?? ''
    const named = typeof type === 'string' ? `No frame has the type ${JSON.stringify(type.slice(0, 40))}.` : 'The frame has no type.'
    return [named, `type: one of ${known}. ${shape}`]
  }
  const wrongFields = issues.slice(0, maxNamedFields).map((issue) => `${issue.path.join('.') || 'frame'}: ${issue.message}`)
  return [`The ${typeof type === 'string' ? type : ''} frame has wrong fields.`, wrongFields.join('; ')]
}

function requestIdOf(value: unknown): string | null {
  const id = fieldOf(fieldOf(value, 'payload'), 'request_id')
  return typeof id === 'string' && id.length > 0 && id.length <= 64 ? id : null
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined
}

function wrong(requestId: string | null, message: string, hint: string): ReadFrame {
  return { ok: false, requestId, failure: { code: 'bad_input', message, hint } }
}
