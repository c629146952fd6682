/** Asks a service on this machine, and no other. What answers is a stranger: time and size are limited, nothing is followed. */
import { maxDiscoveryBytes } from '../limits.ts'

/** @param body sent as a POST; unset: a GET. @returns the JSON object of a 200, else null; never rejects */
export function askLoopback(port: number, path: string, timeoutMs: number, body?: object): Promise<Record<string, unknown> | null> {
  const { promise, resolve } = Promise.withResolvers<Record<string, unknown> | null>()
  const sent = body === undefined ? '' : JSON.stringify(body)
  const headers = {
    accept: 'application/json',
    ...(sent === '' ? {} : { 'content-type': 'application/json', 'content-length': sent.length }),
  }
  const method = sent === '' ? 'GET' : 'POST'
  const request = process.getBuiltinModule('node:http').request({ host: '127.0.0.1', port, path, method, headers, agent: false })
  const end = (value: Record<string, unknown> | null): void => {
    clearTimeout(timer)
    request.destroy()
    resolve(value)
  }
  const timer = setTimeout(() => end(null), timeoutMs)
  request.on('error', () => end(null))
  request.on('response', (incoming) => {
    if (incoming.statusCode !== 200) return end(null)
    const pieces: Buffer[] = []
    let bytes = 0
    incoming.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (bytes > maxDiscoveryBytes) return end(null)
      pieces.push(piece)
    })
    incoming.on('error', () => end(null))
    incoming.on('end', () => end(readObject(Buffer.concat(pieces).toString())))
  })
  request.end(sent)
  return promise
}

function readObject(text: string): Record<string, unknown> | null {
  try {
    return objectOf(JSON.parse(text))
  } catch {
    return null
  }
}

export function objectOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null
}
