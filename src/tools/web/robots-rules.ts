/**
 * What sites ask of programs that read them (RFC 9309), where the configuration says that it counts. A site without the file may
 * be read; one whose file cannot be had now (5xx, no answer) may not.
 */
import type { Egress } from '../../sandbox/index.ts'
import { isOxbowError } from '../../types/index.ts'
import type { CallContext } from '../../types/index.ts'
import { maxRobotsBytes, maxRobotsComparisons, maxRobotsOrigins, robotsMaxAgeMs, robotsRetryMs } from '../limits.ts'

/** @throws the signal's reason */
export type MayFetch = (url: string, asking: Pick<CallContext, 'signal' | 'clock'>) => Promise<boolean>

type RobotsParser = (url: string, text: string) => { isAllowed(url: string, agent: string): boolean | undefined }

interface Rules {
  /** How long they count. */
  readonly maxAgeMs: number
  readonly allows: (url: string) => boolean
}

/** The name under which we ask, and which robots.txt may name. */
const agent = 'oxbow'

export function createRobots(egress: Egress): MayFetch {
  /** By origin, the oldest first. */
  const known = new Map<string, Rules & { readonly readAt: number }>()
  return async (url, { signal, clock }) => {
    const origin = URL.parse(url)?.origin ?? 'null'
    // What is no address at all is refused with better words by the egress.
    if (origin === 'null') return true
    const found = known.get(origin)
    if (found !== undefined && clock.now() - found.readAt < found.maxAgeMs) return found.allows(url)
    const rules = await readRules(egress, origin, signal)
    known.delete(origin)
    known.set(origin, { ...rules, readAt: clock.now() })
    for (const oldest of known.keys()) {
      if (known.size <= maxRobotsOrigins) break
      known.delete(oldest)
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
    // Its types say `export default`, the file says `module.exports`.
    const parse = (await import('robots-parser')).default as unknown as RobotsParser
    const lines = ofFewNames(body.toString('utf8', 0, maxRobotsBytes))
    const rules = parse(`${origin}/robots.txt`, lines.join('\n'))
    // A rule without a star is compared with an address once; with stars, each of its characters may be with each of the address.
    const starred = lines.reduce((sum, line) => sum + (line.includes('*') ? line.length : 0), 0)
    const allows = (url: string): boolean => starred * url.length <= maxRobotsComparisons && (rules.isAllowed(url, agent) ?? true)
    return { maxAgeMs: robotsMaxAgeMs, allows }
  } catch (error) {
    signal.throwIfAborted()
    // A site that the policy closes is refused with the policy's words when the page is asked for.
    if (isOxbowError(error) && (error.code === 'denied' || error.code === 'not_found' || error.code === 'bad_input')) return open
    return notToBeHad
  }
}

/** The reader keeps each rule once for every name above it: all names but ours and that of all become one, each once. */
function ofFewNames(text: string): readonly string[] {
  const names = new Set<string>()
  return text
    .split(/\r\n|\r|\n/)
    .filter(isField)
    .flatMap((line) => {
      const said = /^\s*user-agent\s*:\s*([^#/]*)/i.exec(line)?.[1]?.trim().toLowerCase()
      if (said === undefined) {
        names.clear()
        return [line]
      }
      const name = said === agent || said === '*' ? said : 'others'
      if (names.has(name)) return []
      names.add(name)
      return [`user-agent: ${name}`]
    })
}

const isField = (line: string): boolean => /^[^#:]*:/.test(line)
