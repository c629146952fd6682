/** Chains of redirects that start at a site which may be reached. `SITE` is that site with its port. */
import type { ChainCase, Verdict } from './ssrf-case.ts'

const to = (why: string, verdict: Verdict, ...locations: readonly string[]): readonly ChainCase[] =>
  locations.map((location, i) => ({ hops: [[[301, 302, 303, 307, 308][i % 5]!, location]], verdict, why }))

const through = (why: string, verdict: Verdict, ...hops: readonly string[]): ChainCase => ({
  hops: hops.map((location) => [302, location] as const),
  verdict,
  why,
})

const steps = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `SITE/step/${i}`)

export const chainCases: readonly ChainCase[] = [
  ...to(
    'into a closed network',
    'denied',
    'http://127.0.0.1/',
    'http://127.0.0.1:PORT/',
    'http://localhost:PORT/',
    'http://0.0.0.0:PORT/',
    'http://[::1]:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://2130706433:PORT/',
    'http://0x7f.1:PORT/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/latest/',
    'http://metadata.google.internal/',
    'http://10.0.0.1/',
    'http://192.168.0.1/',
    'https://172.16.0.1/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://private.test/',
    'http://mixed4.test/',
    '//127.0.0.1/',
    '//169.254.169.254/x',
    '\\\\127.0.0.1\\x',
    '/\\127.0.0.1/',
    'http://%E2%91%A0%E2%91%A1%E2%91%A6.0.0.1/',
    'http://127%E3%80%820%E3%80%820%E3%80%821/',
  ),
  ...to('to another port', 'denied', 'http://site.test:1/', 'http://site.test:22/', 'https://site.test:6379/', 'http://site.test/'),
  ...to(
    'to another scheme',
    'bad_input',
    'file:///etc/passwd',
    'ftp://site.test/',
    'gopher://127.0.0.1:6379/_x',
    'data:text/plain,x',
    'javascript:1',
    'ws://site.test:PORT/',
    'unix:/run/x',
    'about:blank',
  ),
  ...to('with credentials', 'bad_input', 'http://user:password@site.test:PORT/', 'http://site.test:PORT@127.0.0.1/', '//a@site.test:PORT/'),
  ...to('to what is no URL', 'bad_input', 'http://', 'http://[::1/', 'http://a..b/', 'http://site.test:99999/'),
  ...to('to what has no address', 'not_found', 'http://nothing.test/'),
  ...to(
    'within the site',
    'allowed',
    'SITE/end',
    '/end',
    'end?x=1',
    '//site.test:PORT/end',
    'http://Site.Test:PORT/end',
    'HTTP:/127.0.0.1/',
    '?again',
    '#top',
  ),
  through('closed at the second hop', 'denied', 'SITE/a', 'http://127.0.0.1:PORT/'),
  through('closed at the third hop', 'denied', 'SITE/a', '/b', 'http://169.254.169.254/'),
  through('closed at the last hop', 'denied', ...steps(4), 'http://10.0.0.1/'),
  through('another scheme at the second hop', 'bad_input', '/a', 'file:///etc/passwd'),
  through('five hops', 'allowed', ...steps(5)),
  through('six hops', 'limit_reached', ...steps(6)),
  through('seven hops, the last one closed', 'limit_reached', ...steps(6), 'http://127.0.0.1/'),
  through('a loop', 'limit_reached', ...Array.from({ length: 20 }, () => 'SITE/same')),
]
