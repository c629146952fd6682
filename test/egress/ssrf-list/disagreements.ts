/**
 * Where other libraries judge a URL of the list in another way, and why we stand by our verdict. A disagreement without an
 * explanation fails the test, and so does an explanation of nothing.
 */
import type { Library } from './opinions.ts'

export interface Explanation {
  readonly library: Library
  /** `why` of the cases that it is about. */
  readonly about: readonly string[]
  readonly theirs: 'allowed' | 'refused'
  readonly because: string
}

const explain = (library: Library, theirs: 'allowed' | 'refused', because: string, ...about: readonly string[]): Explanation => ({
  library,
  about,
  theirs,
  because,
})

const agent = 'request-filtering-agent'

export const explanations: readonly Explanation[] = [
  // What each library does not look at.
  explain(agent, 'allowed', 'it checks addresses at the connection and leaves ports to its user', 'ports'),
  explain(
    agent,
    'allowed',
    'it never sees the URL: credentials, length and form of the host are for its user to judge',
    'userinfo',
    'longer than servers take',
    'a host with an empty part',
  ),
  explain('ip-address', 'allowed', 'it judges addresses; ports are not its matter', 'ports'),
  explain(
    'ip-address',
    'allowed',
    'it judges addresses; what else stands in a URL is not its matter',
    'userinfo',
    'longer than servers take',
    'a host with an empty part',
  ),
  explain('ssrfcheck', 'allowed', 'it judges the text of the host and leaves ports to its user', 'ports'),
  explain(
    'ssrfcheck',
    'allowed',
    'it has no limit of length, and takes empty parts of a host for a name',
    'longer than servers take',
    'a host with an empty part',
  ),
  explain('ssrfcheck', 'allowed', 'it looks for a user name only: a password without one passes', 'userinfo'),
  explain(
    'ssrfcheck',
    'allowed',
    'it judges text and resolves nothing, so every name passes: which is why a check without the connection protects nothing',
    'a name of this machine',
    'a name in the private network',
    'a name of the metadata service',
    'a name with a special address',
    'a name with one private address',
    'a name server that says no address',
    'a name without an address',
    'schemes in schemes',
  ),
  explain(
    'ssrfcheck',
    'allowed',
    'it knows `localhost` by that spelling only; with a dot behind it, and as any other name, it passes',
    'dot at the end',
    'dots that are dots',
  ),

  // Addresses of this machine.
  explain(
    agent,
    'allowed',
    'it does not know the public addresses of this machine, behind which stand services for its own network',
    'a name of this machine',
  ),
  explain('ip-address', 'allowed', 'the same', 'a name of this machine'),
  explain(
    agent,
    'allowed',
    'asked for one address, Node gives the first, a public one, and connects to that; we check all, because we try all',
    'a name with one private address',
  ),
  explain(agent, 'allowed', 'what is no address it does not judge; the connection then fails', 'a name server that says no address'),

  // Ranges that registries and clouds have given a use since, or that lead somewhere else on some networks.
  explain(
    agent,
    'allowed',
    'it closes the ranges that it knows and leaves IPv6 open beyond; we open global unicast and close the rest',
    'IPv4-compatible ::/96',
    'dummy 100:0:0:1::/64',
    'not assigned',
  ),
  explain(
    'ssrfcheck',
    'allowed',
    'it closes a list of IPv6 ranges which lacks these',
    'dummy 100:0:0:1::/64',
    'protocol assignments 2001::/23',
    'IPv6 benchmarking 2001:2::/48',
    'ORCHID',
    'drone tags 2001:30::/28',
    'IPv6 documentation',
    'IPv6 AS112 2620:4f:8000::/48',
    'segment routing 5f00::/16',
    'site-local fec0::/10',
    'not assigned',
  ),
  explain(
    'ssrfcheck',
    'allowed',
    'it judges the IPv4 address within; we close addresses that some gateway on the way translates, whatever is within',
    'IPv4-compatible ::/96',
    'IPv4-mapped, public',
    'IPv4-translated ::ffff:0/96',
    'NAT64 64:ff9b::/96',
  ),
  explain('ip-address', 'allowed', 'the same', 'IPv4-mapped, public', 'NAT64 64:ff9b::/96'),
  explain(
    'ip-address',
    'allowed',
    'the registry calls them globally reachable; they are anycast, black holes and identities, and no web page stands there',
    'anycast 192.0.0.9 and .10',
    'AS112 and AMT',
    '6to4 relay 192.88.99/24',
    'protocol assignments 2001::/23',
    'ORCHID',
    'drone tags 2001:30::/28',
    'IPv6 AS112 2620:4f:8000::/48',
  ),
  explain(agent, 'allowed', 'a public address by its range; on Azure it answers with secrets of the machine', 'metadata in a public range'),
  explain('ssrfcheck', 'allowed', 'the same', 'metadata in a public range'),
  explain('ip-address', 'allowed', 'the same', 'metadata in a public range'),

  explain(
    'ssrfcheck',
    'refused',
    'it refuses every backslash; a URL reads it as a slash, so `@127.0.0.1` is part of the path',
    'legitimate, though it looks like trouble',
  ),
]
