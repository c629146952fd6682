/** How the proxy says no: a status, and one line that a person can read in the output of any program. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isOxbowError } from '../../../types/index.ts'
import type { ErrorCode } from '../../../types/index.ts'

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = { unauthenticated: 407, denied: 403, bad_input: 400, timeout: 504 }

/** Some programs send a password only when they are asked for it (RFC 9110, 11.7.1). */
const challenge = 'Basic realm="oxbow"'

interface Refusal {
  readonly status: number
  readonly line: string
}

/** For whatever was thrown; what is not an OxbowError stays unsaid. */
function refusalOf(error: unknown): Refusal {
  if (!isOxbowError(error)) return { status: 502, line: 'oxbow: it could not be reached.' }
  const status = statuses[error.code] ?? 502
  const hint = status === 400 || status === 403 || status === 407 ? ` ${error.hint}` : ''
  return { status, line: `oxbow: ${error.message}${hint}`.replace(/[^\x20-\x7e]/g, '?') }
}

/** Before a tunnel stands, the socket is still plain HTTP. */
export function refuseTunnel(client: Socket, error: unknown): void {
  const { status, line } = refusalOf(error)
  const head = [`HTTP/1.1 ${status} Refused by the egress proxy`, 'content-type: text/plain', 'connection: close']
  if (status === 407) head.push(`proxy-authenticate: ${challenge}`)
  client.end(`${head.join('\r\n')}\r\ncontent-length: ${line.length + 1}\r\n\r\n${line}\n`)
}

export function refuseRequest(response: ServerResponse, error: unknown): void {
  // Half an answer cannot be taken back; the cut tells.
  if (response.headersSent) return void response.destroy()
  const { status, line } = refusalOf(error)
  const challenged = status === 407 ? { 'proxy-authenticate': challenge } : {}
  const headers = { 'content-type': 'text/plain', 'content-length': line.length + 1, connection: 'close', ...challenged }
  response.writeHead(status, headers).end(`${line}\n`)
}
