/** The policy as it stands on this machine: its resolver, its own addresses. Both ways out have it, a fetch and the proxy. */
import type { Config } from '../../types/index.ts'
import { maxLookups } from '../limits.ts'
import { createAddressJudge } from './address-kinds.ts'
import type { Admit } from './egress-policy.ts'
import { createPolicy } from './egress-policy.ts'
import type { Lookup } from './name-lookup.ts'
import { createNameLookup } from './name-lookup.ts'

export interface PolicyOptions {
  readonly lookup?: Lookup
  readonly ownAddresses?: () => readonly string[]
  /** Look-ups at once. */
  readonly lookups?: number
}

/** Nothing is looked up before it is asked. @throws OxbowError `bad_config` */
export function openPolicy(config: Config['egress'], { lookup, ownAddresses, lookups = maxLookups }: PolicyOptions): Admit {
  const judge = createAddressJudge(ownAddresses ?? addressesOfThisMachine)
  return createPolicy(config, { resolve: createNameLookup(lookup, lookups), judge })
}

function addressesOfThisMachine(): readonly string[] {
  const { networkInterfaces } = process.getBuiltinModule('node:os')
  return Object.values(networkInterfaces()).flatMap((one) => (one ?? []).map(({ address }) => address))
}
