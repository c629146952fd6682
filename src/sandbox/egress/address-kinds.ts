/**
 * Classifies addresses. IPv4 is public except the ranges below. IPv6 is special except global unicast (2000::/3) and the private ranges
 * below, so mapped addresses, NAT64, link-local, site-local, multicast and future assignments need not be listed. Sources: the IANA
 * special-purpose registries of both families, and the clouds' manuals.
 */
import type { BlockList } from 'node:net'

/**
 * `public`: a server on the internet. `private`: this machine or its local network. `special`: addresses that serve no web pages
 * (unspecified, link-local, multicast, reserved, translated), or that reveal a cloud machine's keys.
 */
export type AddressKind = 'public' | 'private' | 'special'

/** By family: a BlockList treats `::ffff:10.0.0.1` as the IPv4 address in it, and no mapped address is private here. */
const privateRanges4 = [
  '10.0.0.0/8',
  '100.64.0.0/10', // Carriers' NAT, and private meshes.
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
]
const privateRanges6 = ['::1/128', 'fc00::/7']

const specialRanges = [
  '0.0.0.0/8', // On Linux the whole of it reaches this machine.
  '169.254.0.0/16', // Link-local, and the metadata services of most clouds.
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Metadata services inside other ranges: Azure, Alibaba, AWS, Google.
  '168.63.129.16/32',
  '100.100.100.200/32',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  // Inside global unicast: protocol assignments with Teredo, documentation, 6to4, AS112.
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '2620:4f:8000::/48',
  '3fff::/20',
]

export type JudgeAddress = (address: string) => AddressKind

/** @param ownAddresses addresses of this machine's interfaces, read each time: a public one also leads to this machine */
export function createAddressJudge(ownAddresses: () => readonly string[]): JudgeAddress {
  const special = createRanges(specialRanges)
  const within4 = createRanges(privateRanges4)
  const within6 = createRanges(privateRanges6)
  const global = createRanges(['2000::/3'])
  const { isIP } = process.getBuiltinModule('node:net')
  return (address) => {
    const family = isIP(address)
    // Only link-local addresses have a zone (`fe80::1%eth0`), and an invalid address is special too.
    if (family === 0 || address.includes('%')) return 'special'
    if (contains(special, address)) return 'special'
    if (contains(family === 4 ? within4 : within6, address)) return 'private'
    if (family === 6 && !contains(global, address)) return 'special'
    return contains(createRanges(ownAddresses()), address) ? 'private' : 'public'
  }
}

/** @param ranges addresses and `address/bits`, already validated; a bare address is a range of one */
export function createRanges(ranges: readonly string[]): BlockList {
  const { BlockList, isIPv6 } = process.getBuiltinModule('node:net')
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

export function contains(ranges: BlockList, address: string): boolean {
  const family = process.getBuiltinModule('node:net').isIP(address)
  return family !== 0 && ranges.check(address, family === 6 ? 'ipv6' : 'ipv4')
}
