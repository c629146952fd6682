/** What stands in the list: a URL or a chain of redirects, the verdict that it must get, and why. */
import type { ErrorCode } from '../../../src/base/index.ts'

/** `allowed`, or the code of the refusal. */
export type Verdict = 'allowed' | Extract<ErrorCode, 'denied' | 'bad_input' | 'not_found' | 'limit_reached'>

/** Configurations under which URLs are judged; see ssrf-names.ts. */
export type Setting = 'default' | 'strict' | 'local'

export interface UrlCase {
  readonly url: string
  readonly verdict: Verdict
  /** The range, the trick or the rule, in a few words. It explains why other libraries disagree. */
  readonly why: string
  readonly setting: Setting
}

export interface ChainCase {
  /** What each answer redirects to, with its status; `PORT` is the site's port, `SITE` the site itself. */
  readonly hops: readonly (readonly [status: number, location: string])[]
  readonly verdict: Verdict
  readonly why: string
}

/** @param hosts separated by white space; IPv6 without brackets */
export function hosts(why: string, verdict: Verdict, text: string, setting: Setting = 'default'): readonly UrlCase[] {
  return words(text).map((host) => ({ url: `http://${isIPv6(host) ? `[${host}]` : host}/`, verdict, why, setting }))
}

/** @param text URLs separated by white space */
export function urls(why: string, verdict: Verdict, text: string | readonly string[], setting: Setting = 'default'): readonly UrlCase[] {
  return (typeof text === 'string' ? words(text) : text).map((url) => ({ url, verdict, why, setting }))
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/)
}

function isIPv6(host: string): boolean {
  return host.split(':').length > 2
}
