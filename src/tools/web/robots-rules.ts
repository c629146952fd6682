/**
 * robots.txt (RFC 9309), checked when the configuration says so. A site without the file may be read; a site whose file cannot be
 * fetched now (5xx, no answer) may not.
 */
import type { Egress } from '../../sandbox/index.ts'
import { isOxbowError } from '../../base/index.ts'
import type { CallContext } from '../../protocol/index.ts'
import { maxRobotsBytes, maxRobotsComparisons, maxRobotsOrigins, robotsMaxAgeMs, robotsRetryMs } from '../limits.ts'

/** @throws the signal's reason */
export type MayFetch = (url: string, asking: Pick<CallContext, 'signal' | 'clock'>) => Promise<boolean>

type RobotsParser = (url: string, text: string) => { isAllowed(url: string, agent: string): boolean | undefined }

interface Rules {
  /** How long the rules are valid. */
  readonly maxAgeMs: number
  readonly allows: (url: string) => boolean
}

/** Our user agent in robots.txt. */
const agent = 'oxbow'

export function createRobots(egress: Egress): MayFetch {
  /** By origin, oldest first. */
  const cached = new Map<string, Rules & { readonly readAt: number }>()
  return async (url, { signal, clock }) => {
    const origin = URL.parse(url)?.origin ?? 'null'
    // The egress refuses an invalid URL with a better message.
    if (origin === 'null') return true
    const found = cached.get(origin)
    if (found !== undefined && clock.now() - found.readAt < found.maxAgeMs) return found.allows(url)
    const rules = await readRules(egress, origin, signal)
    cached.delete(origin)
    cached.set(origin, { ...rules, readAt: clock.now() })
    for (const oldest of cached.keys()) {
      if (cached.size <= maxRobotsOrigins) break
      cached.delete(oldest)
    }
    return rules.allows(url)
  }
}

const open: Rules = { maxAgeMs: robotsMaxAgeMs, allows: () => true }
const notToBeHad: Rules = { maxAgeMs: robotsRetryMs, allows: () => false }

async function readRules(egress: Egress, origin: string, signal: AbortSignal): Promise<Rules> {
  try {
    const { status, body } = await egress.fetch(`${origin}/robots.txt`, 'text/plain', signal)
    if (status >= 500 || status === 429) return notToBeHad
    if (status >= 400) return open
    // Its types declare `export default`, the file uses `module.exports`.
    const parse = (await import('robots-parser')).default as unknown as RobotsParser
    const lines = ofFewNames(body.toString('utf8', 0, maxRobotsBytes))
    const rules = parse(`${origin}/robots.txt`, lines.join('\n'))
    // A rule without a star is compared once with a URL; with stars, each of its characters may be compared with each of the URL.
    const starred = lines.reduce((sum, line) => sum + (line.includes('*') ? line.length : 0), 0)
    const allows = (url: string): boolean => starred * url.length <= maxRobotsComparisons && (rules.isAllowed(url, agent) ?? true)
    return { maxAgeMs: robotsMaxAgeMs, allows }
  } catch (error) {
    signal.throwIfAborted()
    // The fetch of the page itself reports a host that the egress policy refuses.
    if (isOxbowError(error) && (error.code === 'denied' || error.code === 'not_found' || error.code === 'bad_input')) return open
    return notToBeHad
  }
}

/** The parser stores each rule for every user agent named above it, so all names except ours and `*` become one name, listed once. */
function ofFewNames(text: string): readonly string[] {
  const names = new Set<string>()
  return text
    .split(/\r\n|\r|\n/)
    .filter(isField)
    .flatMap((line) => {
      const name = /^\s*user-agent\s*:\s*([^#/]*)/i.exec(line)?.[1]?.trim().toLowerCase()
      if (name === undefined) {
        names.clear()
        return [line]
      }
      const group = name === agent || name === '*' ? name : 'others'
      if (names.has(group)) return []
      names.add(group)
      return [`user-agent: ${group}`]
    })
}

const isField = (line: string): boolean => /^[^#:]*:/.test(line)
