/** Reads mails of ours as far as tests need it: their first text, and how large their files are. */
import type { Stands } from '../../../src/channels/channel-contract.ts'

interface Part {
  readonly headers: string
  readonly body: string
}

/** @returns all parts without parts of their own */
function partsOf(mail: string): readonly Part[] {
  const end = mail.indexOf('\r\n\r\n')
  const headers = mail.slice(0, end).replace(/\r\n[ \t]+/g, ' ')
  const body = mail.slice(end + 4)
  const [, boundary] = /^content-type:\s*multipart\/[^\r\n]*boundary="?([^";\r\n]+)"?/im.exec(headers) ?? []
  if (boundary === undefined) return [{ headers, body }]
  return body
    .split(`--${boundary}`)
    .slice(1, -1)
    .flatMap((part) => partsOf(part.replace(/^\r\n/, '')))
}

export function decodedBody({ headers, body }: Part): Buffer {
  const [, encoding = '7bit'] = /^content-transfer-encoding:\s*(\S+)/im.exec(headers) ?? []
  if (encoding === 'base64') return Buffer.from(body, 'base64')
  if (encoding !== 'quoted-printable') return Buffer.from(body)
  const bytes = body.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1')
}

export function readStanding(mail: string): Stands {
  const parts = partsOf(mail)
  const text = parts.find(
    ({ headers }) => /^content-type:\s*text\/plain/im.test(headers) && !/^content-disposition:\s*attachment/im.test(headers),
  )
  const files = parts.filter(({ headers }) => /^content-disposition:\s*attachment/im.test(headers))
  const head = mail.slice(0, mail.indexOf('\r\n\r\n'))
  return {
    chat: /^to:\s*(\S+)/im.exec(head)?.[1] ?? '',
    id: /^message-id:\s*(\S+)/im.exec(head)?.[1] ?? '',
    text: text === undefined ? '' : decodedBody(text).toString().replaceAll('\r\n', '\n').trim(),
    buttons: [],
    files: files.map((part) => ({ name: /filename="?([^";\r\n]+)"?/i.exec(part.headers)?.[1] ?? '', bytes: decodedBody(part).length })),
    edits: 0,
  }
}
