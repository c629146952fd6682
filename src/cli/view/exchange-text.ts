/** An exchange with a model in one short line. What was said in it is for `--json` and `oxbow audit recording`. */
import { formatBytes } from './text-format.ts'

/** @param body JSON text of the record; whatever it holds, this does not throw */
export function describeExchange(body: string): string {
  const { wire, model, status, request, response } = objectIn(parse(body))
  const name = (value: unknown): string => (typeof value === 'string' && value !== '' ? value : '?')
  const answer = status === 0 ? 'no answer' : `status ${typeof status === 'number' ? status : '?'}`
  return `${name(wire)} ${name(model)}, ${answer}, ${sizeOf(request)} out, ${sizeOf(response)} in`
}

/** Bytes are kept as text or base64, a request without the beginning that it shares with one before. */
function sizeOf(part: unknown): string {
  const { after, text, base64 } = objectIn(part)
  const shared = objectIn(after)['bytes']
  const kept = typeof text === 'string' ? Buffer.byteLength(text) : typeof base64 === 'string' ? Buffer.byteLength(base64, 'base64') : null
  return kept === null ? '? bytes' : formatBytes(kept + (typeof shared === 'number' ? shared : 0))
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return null
  }
}

function objectIn(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
