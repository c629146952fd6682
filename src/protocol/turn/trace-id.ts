/**
 * Ids of traces and spans, which follow from the ids of turns and calls: whoever tells of a call, now or in a year, and the provider that is
 * asked meanwhile, name the same span. https://www.w3.org/TR/trace-context/
 */

/** @returns 32 hexadecimal digits: the turn's id, a UUID, without hyphens */
export function traceId(turn: string): string {
  const plain = turn.replaceAll('-', '').toLowerCase()
  return /^[0-9a-f]{32}$/.test(plain) && /[1-9a-f]/.test(plain) ? plain : fnv64(turn) + fnv64(`${turn}/trace`)
}

/** @param part of a call that has a span of its own @returns 16 hexadecimal digits */
export function spanId(call: string, part = ''): string {
  return fnv64(part === '' ? call : `${call}/${part}`)
}

/** @returns the header of a request that a call of a turn makes; sampled */
export function traceparent(turn: string, call: string): string {
  return `00-${traceId(turn)}-${spanId(call)}-01`
}

const fnvOffset = 0xcbf29ce484222325n
const fnvPrime = 0x100000001b3n

/** FNV-1a of 64 bits: the same on every machine, and spread well enough for some thousand spans of a trace. Never zero. */
function fnv64(text: string): string {
  let hash = fnvOffset
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * fnvPrime)
  return (hash === 0n ? fnvOffset : hash).toString(16).padStart(16, '0')
}
