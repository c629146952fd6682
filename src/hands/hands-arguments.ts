/** What hands are told at their start. Whoever starts them is trusted; a flag that is not known is a mistake, told at once. */

export interface HandsArguments {
  /** How the kernel is spoken with. */
  readonly transport: { readonly kind: 'stdio' } | { readonly kind: 'listen' | 'connect' | 'device'; readonly name: string }
  /** Two folders of the host that stand for /shared and /tmp, null in a sandbox. */
  readonly mapped: readonly [shared: string, tmp: string] | null
  /** Where /vault is; '' in every other profile. */
  readonly vault: string
  /** Every process here belongs to the sandbox. */
  readonly alone: boolean
  /** Most private memory of each process of a command. */
  readonly dataLimitKib: number | null
  /** The way to the egress proxy: its socket, or a port that connections to it share; null where there is no way out. */
  readonly relay: { readonly kind: 'socket' | 'device'; readonly name: string } | null
  /** Path of Chromium, null in every profile but `browser`. */
  readonly browser: string | null
  /** Uid and gid to become once the transport is open. */
  readonly user: number | null
}

/** @throws Error for what it does not know. */
export function parseArguments(args: readonly string[]): HandsArguments {
  let said: HandsArguments = {
    transport: { kind: 'stdio' },
    mapped: null,
    vault: '',
    alone: false,
    dataLimitKib: null,
    relay: null,
    browser: null,
    user: null,
  }
  const rest = [...args]
  const next = (flag: string): string => {
    const value = rest.shift()
    if (value === undefined || value === '') throw new Error(`${flag} needs a value`)
    return value
  }
  const number = (flag: string): number => {
    const value = Number(next(flag))
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${flag} needs a number`)
    return value
  }
  for (let flag = rest.shift(); flag !== undefined; flag = rest.shift()) {
    switch (flag) {
      case '--listen':
      case '--connect':
      case '--device':
        said = { ...said, transport: { kind: flag.slice(2) as 'listen' | 'connect' | 'device', name: next(flag) } }
        break
      case '--mapped':
        said = { ...said, mapped: [next(flag), next(flag)] }
        break
      case '--vault':
        said = { ...said, vault: '/vault' }
        break
      case '--mapped-vault':
        said = { ...said, vault: next(flag) }
        break
      case '--alone':
        said = { ...said, alone: true }
        break
      case '--data-limit':
        said = { ...said, dataLimitKib: number(flag) }
        break
      case '--relay':
        said = { ...said, relay: { kind: 'socket', name: next(flag) } }
        break
      case '--relay-device':
        said = { ...said, relay: { kind: 'device', name: next(flag) } }
        break
      case '--browser':
        said = { ...said, browser: next(flag) }
        break
      case '--user':
        said = { ...said, user: number(flag) }
        break
      default:
        throw new Error(`unknown flag ${flag}`)
    }
  }
  return said
}
