/**
 * Addresses: the first and the last of every range of the IANA special-purpose registries of both families, one from within, and
 * the neighbours that are anybody's. Then what clouds put into ranges of another kind.
 */
import { hosts } from './ssrf-case.ts'
import type { UrlCase } from './ssrf-case.ts'

export const addressCases: readonly UrlCase[] = [
  // https://www.iana.org/assignments/iana-ipv4-special-registry
  hosts('this network 0/8', 'denied', '0.0.0.0 0.0.0.1 0.1.2.3 0.255.255.255'),
  hosts('private 10/8', 'denied', '10.0.0.0 10.0.0.1 10.128.3.4 10.255.255.255'),
  hosts('shared 100.64/10', 'denied', '100.64.0.0 100.64.0.1 100.100.1.1 100.127.255.255'),
  hosts('loopback 127/8', 'denied', '127.0.0.0 127.0.0.1 127.0.1.1 127.127.127.127 127.255.255.254 127.255.255.255'),
  hosts('link-local 169.254/16', 'denied', '169.254.0.0 169.254.0.1 169.254.169.254 169.254.169.253 169.254.170.2 169.254.255.255'),
  hosts('private 172.16/12', 'denied', '172.16.0.0 172.17.0.1 172.20.10.1 172.31.255.255'),
  hosts('protocol assignments 192.0.0/24', 'denied', '192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.171 192.0.0.192 192.0.0.255'),
  hosts('anycast 192.0.0.9 and .10', 'denied', '192.0.0.9 192.0.0.10'),
  hosts(
    'documentation',
    'denied',
    '192.0.2.0 192.0.2.1 192.0.2.255 198.51.100.0 198.51.100.7 198.51.100.255 203.0.113.0 203.0.113.9 203.0.113.255',
  ),
  hosts('AS112 and AMT', 'denied', '192.31.196.0 192.31.196.1 192.31.196.255 192.52.193.1 192.52.193.255 192.175.48.6 192.175.48.255'),
  hosts('6to4 relay 192.88.99/24', 'denied', '192.88.99.0 192.88.99.1 192.88.99.255'),
  hosts('private 192.168/16', 'denied', '192.168.0.0 192.168.0.1 192.168.1.254 192.168.255.255'),
  hosts('benchmarking 198.18/15', 'denied', '198.18.0.0 198.18.0.1 198.19.255.255'),
  hosts('multicast 224/4', 'denied', '224.0.0.0 224.0.0.1 224.0.0.251 233.252.0.1 239.255.255.250 239.255.255.255'),
  hosts('reserved 240/4', 'denied', '240.0.0.0 240.0.0.1 250.1.2.3 255.255.255.254'),
  hosts('broadcast', 'denied', '255.255.255.255'),
  hosts(
    'a neighbour of a special range',
    'allowed',
    '1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 ' +
      '172.32.0.0 191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 ' +
      '198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255',
  ),
  hosts('a public server', 'allowed', '1.1.1.1 8.8.8.8 9.9.9.9 93.184.216.34 140.82.121.3 151.101.1.69 185.199.108.153'),

  // https://www.iana.org/assignments/iana-ipv6-special-registry
  hosts('IPv6 loopback', 'denied', '::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001'),
  hosts('IPv6 unspecified', 'denied', '::'),
  hosts('IPv4-compatible ::/96', 'denied', '::2 ::7f00:1 ::127.0.0.1 ::10.0.0.1 ::169.254.169.254 ::8.8.8.8'),
  hosts(
    'IPv4-mapped, private',
    'denied',
    '::ffff:127.0.0.1 ::ffff:7f00:1 ::FFFF:10.0.0.1 ::ffff:192.168.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0',
  ),
  hosts('IPv4-mapped, public', 'denied', '::ffff:8.8.8.8 ::ffff:808:808'),
  hosts('IPv4-translated ::ffff:0/96', 'denied', '::ffff:0:127.0.0.1 ::ffff:0:7f00:1 ::ffff:0:8.8.8.8'),
  hosts(
    'NAT64 64:ff9b::/96',
    'denied',
    '64:ff9b:: 64:ff9b::7f00:1 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::8.8.8.8 64:ff9b::ffff:ffff',
  ),
  hosts('local NAT64 64:ff9b:1::/48', 'denied', '64:ff9b:1:: 64:ff9b:1::7f00:1 64:ff9b:1:ffff:ffff:ffff:ffff:ffff'),
  hosts('discard 100::/64', 'denied', '100:: 100::1 100::ffff:ffff:ffff:ffff'),
  hosts('dummy 100:0:0:1::/64', 'denied', '100:0:0:1:: 100:0:0:1::1'),
  hosts('Teredo 2001::/32', 'denied', '2001:: 2001::1 2001:0:7f00:1:: 2001:0:4136:e378:8000:63bf:3fff:fdd2'),
  hosts('protocol assignments 2001::/23', 'denied', '2001:1::1 2001:1::2 2001:1::3 2001:3::1 2001:4:112::1 2001:5::1 2001:1ff:ffff::1'),
  hosts('IPv6 benchmarking 2001:2::/48', 'denied', '2001:2:: 2001:2::1'),
  hosts('ORCHID', 'denied', '2001:10:: 2001:10::1 2001:1f:ffff::1 2001:20:: 2001:20::1 2001:2f:ffff::1'),
  hosts('drone tags 2001:30::/28', 'denied', '2001:30:: 2001:3f:ffff::1'),
  hosts('IPv6 documentation', 'denied', '2001:db8:: 2001:db8::1 2001:db8:ffff:ffff::1 3fff:: 3fff::1 3fff:fff:ffff::1'),
  hosts('6to4 2002::/16', 'denied', '2002:: 2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe:: 2002:c0a8:1::1 2002:808:808::1 2002:ffff:ffff::1'),
  hosts('IPv6 AS112 2620:4f:8000::/48', 'denied', '2620:4f:8000:: 2620:4f:8000::42'),
  hosts('segment routing 5f00::/16', 'denied', '5f00:: 5f00::1'),
  hosts('unique local fc00::/7', 'denied', 'fc00:: fc00::1 fd00::1 fd12:3456:789a::1 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
  hosts('link-local fe80::/10', 'denied', 'fe80:: fe80::1 fe80::5efe:127.0.0.1 febf:ffff::1'),
  hosts('site-local fec0::/10', 'denied', 'fec0:: fec0::1 feff:ffff::1'),
  hosts('IPv6 multicast ff00::/8', 'denied', 'ff00:: ff02::1 ff02::fb ff05::2 ff0e::1 ffff:ffff::'),
  hosts(
    'not assigned',
    'denied',
    '1::1 64:ff9a::1 200::1 400::1 1000::1 1fff:ffff::1 4000::1 6000::1 8000::1 a000::1 c000::1 e000::1 f000::1 fe00::1',
  ),
  hosts(
    'a neighbour of a special IPv6 range',
    'allowed',
    '2001:200:: 2001:db7:ffff::1 2001:db9::1 2003::1 2620:4f:7fff::1 2620:4f:8001::1 3ffe::1',
  ),
  hosts('a public IPv6 server', 'allowed', '2606:4700:4700::1111 2001:4860:4860::8888 2620:fe::fe 2a00:1450:4001:800::200e 2a04:4e42::81'),

  // Metadata services that stand where anybody could, by the manuals of Azure, Alibaba, AWS and Google.
  hosts('metadata in a public range', 'denied', '168.63.129.16'),
  hosts('metadata in a shared range', 'denied', '100.100.100.200'),
  hosts('metadata in a unique local range', 'denied', 'fd00:ec2::254 fd20:ce::254'),
  hosts('next to a metadata address', 'allowed', '168.63.129.15 168.63.129.17'),
].flat()
