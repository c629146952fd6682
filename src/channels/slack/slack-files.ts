/** Reads files of Slack in pieces. The token goes to Slack and to nobody else, wherever an address leads. */
import { fetchFile, unreadable, upTo } from '../inbound-files.ts'
import type { OpenFile } from './slack-inbound.ts'

/** @param apiUrl files may be there as well, as on a server of tests */
export function fileOpener(token: string, apiUrl: string): OpenFile {
  return (address) =>
    async function* (maxBytes, signal) {
      const url = URL.parse(address)
      const isSlack = url !== null && url.protocol === 'https:' && (url.hostname === 'slack.com' || url.hostname.endsWith('.slack.com'))
      if (url === null || !(isSlack || url.origin === new URL(apiUrl).origin)) throw unreadable('Slack', 'its address is not one of Slack')
      const { headers, body } = await fetchFile('Slack', url, signal, { authorization: `Bearer ${token}` })
      // Without the scope `files:read` Slack answers with a page on which one signs in.
      if (headers.get('content-type')?.startsWith('text/html') === true && !/\.html?$/i.test(url.pathname))
        throw unreadable('Slack', 'the app lacks the scope files:read')
      yield* upTo(maxBytes, body)
    }
}
