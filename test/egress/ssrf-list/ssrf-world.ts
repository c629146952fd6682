/** What the list stands in: its name server, its machine, its three configurations. */
import type { Setting } from './ssrf-case.ts'
import { names } from './name-cases.ts'

/** Of an interface of this machine; public by its range. */
export const ownAddress = '192.0.32.7'

export const settings: Readonly<Record<Setting, { mode?: string; allow?: string[] }>> = {
  default: {},
  strict: { mode: 'strict', allow: ['ok.example.com', '*.good.example.org:8080', '93.184.0.0/16:80'] },
  local: { allow: ['api.local.test:8080', 'localhost', '10.1.0.0/16', '[::1]:3000'] },
}

/** @throws Error as name servers do for names that nobody has */
export function lookUp(host: string): Promise<readonly string[]> {
  const known = names[host]
  if (known !== undefined) return Promise.resolve(known)
  if (/(?:^|\.)example\.(?:com|org)$/.test(host)) return Promise.resolve(['93.184.216.34'])
  return Promise.reject(new Error(`no such name: ${host}`))
}
