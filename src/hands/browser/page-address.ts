/** Which addresses a tab may show. Everything else (files of the sandbox, pages of the browser itself) is none of a model's business. */
import { failed } from '../failure.ts'
import { maxAddressCharacters } from '../limits.ts'

const advice: Readonly<Record<string, string>> = {
  'file:': 'Files are read with file_read; the browser opens web pages.',
  'javascript:': 'Scripts cannot be run in a page; click, type and select do what a person could.',
  'data:': 'Write it to a file and read that; the browser opens web pages.',
  'view-source:': 'web_fetch with format raw shows how a page was sent.',
}
const general = 'Open an address that begins with http:// or https://.'

/** @returns the address in its normal form. @throws `bad_input` with advice */
export function pageAddress(said: string): string {
  const address = URL.parse(said.trim())
  if (address === null) throw failed('bad_input', 'That is no whole address.', general)
  const { protocol } = address
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw failed(
      'bad_input',
      `The browser does not open ${/^[a-z-]{1,20}:$/.test(protocol) ? protocol : 'such'} addresses.`,
      advice[protocol] ?? general,
    )
  }
  if (address.username !== '' || address.password !== '') {
    throw failed('bad_input', 'An address with a name or password in it is not opened.', 'Leave out what stands before the @.')
  }
  if (address.href.length > maxAddressCharacters) throw failed('bad_input', 'The address is too long.', 'Use a shorter one.')
  return address.href
}

/** Whether a page that is already there may be shown: an empty one and the browser's error page say nothing about the sandbox. */
export function mayBeShown(url: string): boolean {
  return /^(?:https?:|blob:https?:|about:(?:blank|srcdoc)|chrome-error:)/.test(url) || url === ''
}
