/**
 * Hosts that an agent has reached before. After untrusted text, which may have told it where to send something, the first call to another
 * host asks once; whatever runs teaches its hosts, for good. What a call names counts: a server of tools, a search service and a
 * command that may reach any host are approved in their own ways.
 */
import { type KnownHosts, type Documents, leadsOutside, type Sessions, verdictOf } from '../../kernel/index.ts'
import { hostsAllowed } from '../../sandbox/index.ts'
import { once } from '../../base/index.ts'
import type { Call, Caller } from '../../protocol/index.ts'
import type { Config, Decision } from '../../config/index.ts'

const knownHostCategory = 'system/known-hosts'

interface KnownHostsDeps {
  readonly documents: Pick<Documents, 'all' | 'put'>
  readonly config: Pick<Config, 'flow' | 'egress'>
  /** The labels that decide. */
  readonly labels: Pick<Sessions, 'judged' | 'areOwn'>
}

export function createKnownHosts({ documents, config, labels }: KnownHostsDeps): KnownHosts {
  const decision: Decision = config.flow.new_host
  const load = once(async () => {
    const { destinationOf } = await import('./flow-rules.ts')
    // With a port, as `egress.allow` names it, a host is as well known.
    const isNamed = await hostsAllowed(config.egress)
    const known = new Set((await documents.all(knownHostCategory)).map(({ name }) => name))
    const isKnown = (host: string): boolean => known.has(host) || isNamed(host)
    const unknownIn = (call: Call, input: unknown): readonly string[] =>
      (destinationOf(call.name, input).hosts ?? []).filter((host) => !isKnown(host))
    return { known, unknownIn }
  })
  const concerns = (caller: Caller, call: Call): boolean =>
    decision !== 'allow' && caller.audience === 'model' && leadsOutside(caller, call)
  return {
    async judge(caller, call, input, judged) {
      if (judged.flow.decision !== 'allow' || !concerns(caller, call)) return judged
      const held = labels.judged(caller)
      if (!held.includes('untrusted') || labels.areOwn(caller, call, held)) return judged
      const [host] = (await load()).unknownIn(call, input)
      if (host === undefined) return judged
      const what = `${call.name} reaches ${host} for the first time`
      const from = judged.flow.origins.filter(({ label }) => label === 'untrusted')
      return { ...judged, flow: verdictOf(decision, what, { labels: ['untrusted'], from }) }
    },
    async learn({ caller, call: id }, call, input) {
      if (!concerns(caller, call)) return
      const { known, unknownIn } = await load()
      const fresh = [...new Set(unknownIn(call, input))]
      for (const host of fresh) known.add(host)
      if (fresh.length === 0) return
      const value = { by: caller.actor, call: id }
      await documents.put(
        { caller, call: id, name: call.name },
        fresh.map((name) => ({ category: knownHostCategory, name, value })),
      )
    },
  }
}
