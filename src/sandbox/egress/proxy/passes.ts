/**
 * Passes: who of a profile is at the proxy. Each command gets one, in the address of the proxy that its environment names
 * (`http://oxbow:PASS@127.0.0.1:8118`), and programs send it with every request as they send any proxy's password. What goes by a
 * pass is counted for its command alone, and reaches only the hosts that the command was called with. A pass is no wall between
 * two commands of one sandbox: they share a uid, and one can read the environment of the other.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { OxbowError } from '../../../types/index.ts'
import { type Admit, parseTarget, refused } from '../egress-policy.ts'
import { type EgressRule, parseHosts } from '../egress-rules.ts'
import type { ProxyDeps } from './reach-target.ts'
import { createVisitLog, type Visits } from './visit-log.ts'

export interface EgressPass {
  /** Lower-case hex. */
  readonly token: string
  /** What went by it until now. */
  soFar(): Promise<Visits>
  /** Nothing goes by it any more. */
  end(): Promise<Visits>
}

export interface Passes {
  /** @param hosts as in `egress.allow`, and only to narrow what the policy lets through; empty: all of that. @throws OxbowError `bad_input` */
  issue(hosts: readonly string[]): EgressPass
  /** @throws OxbowError `unauthenticated` for a request without a pass that holds, as soon as there was one */
  holderOf(request: IncomingMessage): ProxyDeps
}

/** @param admit judges all requests; those that come before a pass was issued are counted for nobody */
export function createPasses(admit: Admit): Passes {
  const holders = new Map<string, ProxyDeps>()
  let strict = false
  return {
    issue(hosts) {
      const log = createVisitLog()
      const rules = parseHosts(hosts)
      const token = randomBytes(16).toString('hex')
      strict = true
      holders.set(token, { log, admit: rules.length === 0 ? admit : narrowed(admit, rules) })
      return {
        token,
        soFar: () => Promise.resolve(log.soFar()),
        end() {
          holders.delete(token)
          return Promise.resolve(log.soFar())
        },
      }
    },
    holderOf({ headers }) {
      const [, sent = ''] = /^basic +([a-z0-9+/=]{1,200})$/i.exec(headers['proxy-authorization'] ?? '') ?? []
      const token = Buffer.from(sent, 'base64')
        .toString('latin1')
        .replace(/^oxbow:/, '')
      const holder = holders.get(token)
      if (holder !== undefined) return holder
      if (!strict) return { admit, log: null }
      throw new OxbowError('unauthenticated', 'The request has no pass, or that of a command that has ended.', {
        hint: 'Use the proxy as http_proxy names it, with its password.',
      })
    },
  }
}

function narrowed(admit: Admit, rules: readonly EgressRule[]): Admit {
  return async (text, signal) => {
    const { host, port } = parseTarget(text)
    const named = rules.some((rule) => (rule.port === null || rule.port === port) && (rule.fitsName(host) || rule.fitsAddress(host)))
    if (!named) throw refused(host, port, 'it is not among the hosts that this command was called with')
    return admit(text, signal)
  }
}
