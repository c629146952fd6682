/**
 * Whether a mail is from whom it names. Anybody can write any From, so a sender is known by a signature of DKIM whose domain is aligned with the
 * one of From, or by what the receiver's own server has found. A signature must cover From, To, Subject and Message-ID, and the whole body: else a mail that the
 * sender wrote to somebody else could be sent on to us, or come again as another one.
 */
import type { Header } from 'postal-mime'

/** Asks the DNS, as `node:dns` does. */
export type Resolve = (name: string, type: string) => Promise<string[][] | string[]>

/** In a mail once at most: programs show one of several, and a signature covers another. */
const single: ReadonlySet<string> = new Set(['from', 'to', 'cc', 'message-id', 'subject', 'date', 'content-type'])
const dnsMs = 10_000
const maxSignatures = 10

interface TrustDeps {
  readonly resolve: Resolve
  /** The server whose findings are believed; empty: none. */
  readonly authservId: string
}

/** A mail, with what it says of itself. */
interface Claim {
  readonly raw: Buffer
  /** Top to bottom. */
  readonly headers: readonly Header[]
  /** The one of From, and its domain. */
  readonly address: string
  readonly domain: string
  /** The header that has our address. */
  readonly addressedBy: 'to' | 'cc'
}

/** `unsure`: the DNS did not say, and may another time. */
export type Trust = 'proved' | 'unproved' | 'unsure'

/** Never rejects. */
export async function trustIn(deps: TrustDeps, claim: Claim): Promise<Trust> {
  const { headers, address, domain } = claim
  if (!namesOne(headers.find(({ key }) => key === 'from')?.value ?? '', address)) return 'unproved'
  const keys = headers.map(({ key }) => key).filter((key) => single.has(key))
  if (new Set(keys).size !== keys.length) return 'unproved'
  return foundByReceiver(headers, deps.authservId, domain) ? 'proved' : signedBy(deps, claim)
}

/** Programs that read a From with several addresses take different ones for the sender. */
function namesOne(from: string, address: string): boolean {
  const named = withoutQuotes(from).match(/[^\s<>,;:]*@[^\s<>,;:]*/g) ?? []
  // No person has a local part in quotes.
  return named.length > 0 && named.every((each) => each.toLowerCase() === address)
}

async function signedBy({ resolve }: TrustDeps, { raw, headers, domain, addressedBy }: Claim): Promise<Trust> {
  const signatures = headers.filter(({ key }) => key === 'dkim-signature').length
  if (signatures === 0 || signatures > maxSignatures) return 'unproved'
  try {
    // Its lists of domains are large: loaded with the first signature.
    const until = Date.now() + dnsMs
    const { dkimVerify } = await import('mailauth/lib/dkim/verify.js')
    const { results, headerFrom, fromFields } = await dkimVerify(raw, {
      // For all signatures of a mail together: one after another they would keep the mails behind it waiting.
      resolver: (name, type) => before(until - Date.now(), resolve(name, type)),
      rejectRsaSha1: true,
    })
    const [from = ''] = headerFrom
    if (fromFields !== 1 || headerFrom.length !== 1 || domainOf(from) !== domain) return 'unproved'
    // A subject is read as the sender's words.
    const needed = ['from', addressedBy, 'message-id', ...(headers.some(({ key }) => key === 'subject') ? ['subject'] : [])]
    const sufficient = results.filter(({ status, signingHeaders, canonBodyLengthLimited }) => {
      const covered = new Set((signingHeaders?.keys ?? '').toLowerCase().split(/[:\s]+/))
      return Boolean(status.aligned) && canonBodyLengthLimited !== true && needed.every((name) => covered.has(name))
    })
    if (sufficient.some(({ status }) => status.result === 'pass')) return 'proved'
    return sufficient.some(({ status }) => status.result === 'temperror') ? 'unsure' : 'unproved'
  } catch {
    // What cannot be checked is not proved.
    return 'unproved'
  }
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

async function before<Value>(ms: number, work: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error('the DNS is silent')), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** The receiver adds its own above all others; those below are anybody's. */
function foundByReceiver(headers: readonly Header[], authservId: string, domain: string): boolean {
  const topmost = headers.find(({ key }) => key === 'authentication-results')
  if (authservId === '' || topmost === undefined) return false
  const [id = '', ...found] = withoutQuotes(topmost.value).toLowerCase().split(';')
  if (id.trim().split(/\s/)[0] !== authservId) return false
  return found.some((part) => {
    const [, method = '', result = ''] = /^\s*(dkim|dmarc)\s*=\s*([a-z]+)/.exec(part) ?? []
    if (result !== 'pass') return false
    const property = method === 'dmarc' ? /\sheader\.from\s*=\s*([a-z0-9.-]+)(?:\s|$)/ : /\sheader\.d\s*=\s*([a-z0-9.-]+)(?:\s|$)/
    const [, named = ''] = property.exec(part) ?? []
    // A parent signs for its children; alignment of others is what `dmarc` says.
    return named !== '' && (named === domain || (method === 'dkim' && domain.endsWith(`.${named}`) && named.includes('.')))
  })
}

/** Comments and quoted texts are of the sender's making. */
function withoutQuotes(value: string): string {
  let [depth, quoted, kept] = [0, false, '']
  for (let at = 0; at < value.length; at += 1) {
    const sign = value[at]!
    if (sign === '\\') at += 1
    else if (quoted) quoted = sign !== '"'
    else if (sign === '"') quoted = true
    else if (sign === '(') depth += 1
    else if (sign === ')') depth = Math.max(0, depth - 1)
    else if (depth === 0) kept += sign
  }
  return kept
}
