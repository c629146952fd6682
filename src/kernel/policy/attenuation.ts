/**
 * Attenuation: what an agent passes on never exceeds what it is allowed to pass on. Rights, paths, hosts, secrets, servers and models are all
 * entries of rights (see `agent-definition.ts`), so one intersection serves: `meet`. Whatever it returns, both of its arguments allow.
 *
 * Two rights are no call's: `secret.use` and `model.use`. An agent that nobody has delegated to is not judged by them; a delegated one
 * always is, because `passedOn` denies what it was not given.
 */
import {
  type Caller,
  coversResource as covers,
  type Grant,
  grantOf,
  modelRight,
  type RightLimits,
  secretRight,
} from '../../protocol/index.ts'

/** Entries of rights, as `grantOf` reads them. */
export type Entries = readonly string[]

export { modelRight, secretRight }

/** @returns entries that allow what both allow, and nothing else; sorted */
export function meet(a: Entries, b: Entries): Entries {
  const [left, right] = [grantOf(a), grantOf(b)]
  const holds = ({ rights }: Grant, one: string): boolean => rights.has('*') || rights.has(one)
  const kept = [...new Set([...left.rights, ...right.rights])].filter((one) => holds(left, one) && holds(right, one))
  const granted = kept.flatMap((one) => {
    const only = narrower(one, left.limits?.only.get(one), right.limits?.only.get(one))
    if (only === undefined) return [one]
    // Next to `*`, a right that is left out would still be granted.
    return only.length === 0 ? [`!${one}`] : only.map((resource) => `${one}:${resource}`)
  })
  const denials = [...denialsOf(left), ...denialsOf(right)]
  return [...new Set([...granted, ...denials])].toSorted()
}

/** Resources that both lists cover. Undefined: all of them. */
function narrower(right: string, a: readonly string[] | undefined, b: readonly string[] | undefined): readonly string[] | undefined {
  if (a === undefined || b === undefined) return a ?? b
  const both = a.flatMap((one) => b.flatMap((other) => (covers(right, one, other) ? [other] : covers(right, other, one) ? [one] : [])))
  return [...new Set(both)]
}

function denialsOf({ limits }: Grant): readonly string[] {
  return limits?.entries.filter((entry) => entry.startsWith('!')) ?? []
}

/** What binds whoever an agent has delegated to, as long as both live. */
export function boundsOf({ rights, delegable }: { readonly rights: Entries; readonly delegable?: Entries }, withheld: Entries): Entries {
  const own = delegableOf(grantOf(rights), withheld)
  return delegable === undefined ? own : meet(own, delegable)
}

/** What an agent without a definition may pass on: everything that it has, but for what is withheld. */
export function delegableOf({ rights, limits }: Pick<Caller, 'rights' | 'limits'>, withheld: Entries): Entries {
  const limited = new Set(limits?.only.keys())
  const whole = [...rights].filter((right) => !limited.has(right))
  const unjudged = [secretRight, modelRight].filter((right) => !limited.has(right))
  return withoutRights([...whole, ...unjudged, ...(limits?.entries ?? [])], withheld)
}

/**
 * @param never rights that nobody passes on, see `Core.neverPassedOn`
 * @returns what a child has: what its profile names and its parent can pass on; what it was not given is denied by name where no call would ask
 */
export function passedOn(delegable: Entries, profile: Entries, never: Entries): Entries {
  const both = withoutRights(meet(delegable, profile), never)
  const { rights } = grantOf(both)
  return [...both, ...[secretRight, modelRight].filter((right) => !rights.has(right)).map((right) => `!${right}`)].toSorted()
}

function withoutRights(entries: Entries, withheld: Entries): Entries {
  return entries.filter((entry) => entry.startsWith('!') || !withheld.includes(entry.split(':', 1)[0] ?? ''))
}

/** @returns entries of the profile that the child does not get, for people */
export function lost(profile: Entries, kept: Entries): Entries {
  const { rights } = grantOf(kept)
  return [...grantOf(profile).rights].filter((right) => !rights.has(right) && right !== '*').toSorted()
}

/** @returns whether limits allow one resource of a right that no call names */
export function allows(limits: RightLimits | undefined, right: string, resource: string): boolean {
  if (limits === undefined) return true
  if (limits.denied.has(right)) return false
  const only = limits.only.get(right)
  return only === undefined || only.some((each) => covers(right, each, resource))
}
