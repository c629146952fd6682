/**
 * What sites ask of programs that read them (RFC 9309), where the configuration says that it counts. A site without the file may
 * be read; one whose file cannot be had now (5xx, no answer) may not.
 */
import type { Egress } from '../../sandbox/index.ts'
import { isOxbowError } from '../../types/index.ts'
import type { CallContext } from '../../types/index.ts'
import { maxRobotsBytes, maxRobotsOrigins, robotsMaxAgeMs } from '../limits.ts'

/** @throws the signal's reason */
export type MayFetch = (url: string, asking: Pick<CallContext, 'signal' | 'clock'>) => Promise<boolean>

type RobotsParser = (url: string, text: string) => { isAllowed(url: string, agent: string): boolean | undefined }

interface Rules {
  readonly readAt: number
  readonly allows: (url: string) => boolean
}

/** The name under which we ask, and which robots.txt may name. */
const agent = 'oxbow'

export function createRobots(egress: Egress): MayFetch {
  /** By origin, the oldest first. */
  const known = new Map<string, Rules>()
  return async (url, { signal, clock }) => {
    const origin = URL.parse(url)?.origin ?? 'null'
    // What is no address at all is refused with better words by the egress.
    if (origin === 'null') return true
    const found = known.get(origin)
    if (found !== undefined && clock.now() - found.readAt < robotsMaxAgeMs) return found.allows(url)
    const allows = await readRules(egress, origin, signal)
    known.delete(origin)
    known.set(origin, { readAt: clock.now(), allows })
    for (const oldest of known.keys()) {
      if (known.size <= maxRobotsOrigins) break
      known.delete(oldest)
    }
    return allows(url)
  }
}

async function readRules(egress: Egress, origin: string, signal: AbortSignal): Promise<(url: string) => boolean> {
  try {
    const { status, body } = await egress.fetch(`${origin}/robots.txt`, 'text/plain', signal)
    if (status >= 500 || status === 429) return () => false
    if (status >= 400) return () => true
    // Its types say `export default`, the file says `module.exports`.
    const parse = (await import('robots-parser')).default as unknown as RobotsParser
    const rules = parse(`${origin}/robots.txt`, body.toString('utf8', 0, maxRobotsBytes))
    return (url) => rules.isAllowed(url, agent) ?? true
  } catch (error) {
    signal.throwIfAborted()
    // A site that the policy closes is refused with the policy's words when the page is asked for.
    if (isOxbowError(error) && (error.code === 'denied' || error.code === 'not_found' || error.code === 'bad_input')) return () => true
    return () => false
  }
}
