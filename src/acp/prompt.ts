/**
 * A prompt of an editor as a message: text as it is, files that agents see by their path, all others as attachments. What an editor
 * embeds stands in marks, so that the model tells it from what the person wrote.
 */
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ContentBlock } from '@agentclientprotocol/sdk'
import { OxbowError, toError } from '../base/index.ts'
import { cleanFileName, maxAttachmentBytes, maxAttachments, maxPieceBytes, type SentFile } from '../protocol/index.ts'
import { maxInlineChars } from './limits.ts'
import type { AcpPorts, Gateway } from './ports.ts'
import { fencedCode } from './tool-view.ts'

export interface PromptMessage {
  readonly text: string
  readonly attachments: readonly SentFile[]
}

type Block<Type extends ContentBlock['type']> = Extract<ContentBlock, { type: Type }>

/** @throws OxbowError for a file that cannot be sent */
export async function messageOf(
  blocks: readonly ContentBlock[],
  ports: Pick<AcpPorts, 'guestPath' | 'attach'>,
  gateway: Gateway,
): Promise<PromptMessage> {
  const files: SentFile[] = []
  const texts: string[] = []
  const add = (file: SentFile): string => {
    files.push(file)
    if (files.length > maxAttachments) throw tooMany()
    return `[attached: ${file.name}]`
  }
  for (const block of blocks) {
    switch (block.type) {
      case 'text':
        texts.push(block.text)
        break
      case 'image':
      case 'audio':
        add(await upload(nameOf(block), block.mimeType, block.data, gateway))
        break
      case 'resource_link':
        texts.push(await linked(block, ports, gateway, add))
        break
      case 'resource':
        texts.push(await embedded(block, gateway, add))
        break
      default:
        throw new OxbowError('bad_input', 'The prompt has content of a kind that Oxbow does not know.', {
          hint: 'It takes text, images, audio, links to files and embedded resources.',
        })
    }
  }
  const text = joined(texts)
  if (text.trim() === '' && files.length === 0) throw new OxbowError('bad_input', 'The prompt is empty.', { hint: 'Write a message.' })
  return { text: text.trim() === '' ? 'See the attached files.' : text, attachments: files }
}

/** Editors split a sentence with a mention into blocks, with the spaces in the text. */
function joined(texts: readonly string[]): string {
  return texts.reduce((all, text) => (all === '' || /\s$/.test(all) || /^[\s.,;:!?)\]]/.test(text) ? all + text : `${all} ${text}`), '')
}

function nameOf(block: Block<'image'> | Block<'audio'>): string {
  const uri = 'uri' in block ? block.uri : null
  const extension = /^[a-z]+\/([a-z0-9]{1,10})/.exec(block.mimeType)?.[1] ?? 'bin'
  return uri === null || uri === undefined ? `${block.type}.${extension}` : cleanFileName(posix.basename(uri))
}

async function linked(
  { uri, name }: Block<'resource_link'>,
  { guestPath, attach }: Pick<AcpPorts, 'guestPath' | 'attach'>,
  gateway: Gateway,
  add: (file: SentFile) => string,
): Promise<string> {
  const own = pathOf(uri)
  if (own === null) return uri === name ? uri : `${name} (${uri})`
  return guestPath(own) ?? add(await attach(own, gateway))
}

/** @returns the path of a `file:` address on this machine; null for any other */
function pathOf(uri: string): string | null {
  try {
    return uri.startsWith('/') ? uri : uri.startsWith('file:') ? fileURLToPath(uri.replace(/[#?].*$/, '')) : null
  } catch {
    return null
  }
}

async function embedded({ resource }: Block<'resource'>, gateway: Gateway, add: (file: SentFile) => string): Promise<string> {
  const name = cleanFileName(posix.basename(resource.uri))
  if ('blob' in resource) return add(await upload(name, resource.mimeType ?? '', resource.blob, gateway))
  if (resource.text.length > maxInlineChars) {
    const data = Buffer.from(resource.text).toString('base64')
    return add(await upload(name, resource.mimeType ?? 'text/plain', data, gateway))
  }
  return `\n\n${resource.uri}:\n${fencedCode(resource.text)}\n\n`
}

/** @param data base64 @throws OxbowError */
async function upload(name: string, type: string, data: string, gateway: Gateway): Promise<SentFile> {
  const bytes = Buffer.from(data, 'base64')
  if (bytes.length === 0) throw new OxbowError('bad_input', `${name} is empty or not base64.`, { hint: 'Attach it again.' })
  if (bytes.length > maxAttachmentBytes)
    throw new OxbowError('limit_reached', `${name} has ${bytes.length} bytes; the limit is ${maxAttachmentBytes}.`, {
      hint: 'Name a file of the workspace instead.',
    })
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; at += maxPieceBytes) {
    const put = await gateway.call('attachment.put', { data: bytes.subarray(at, at + maxPieceBytes).toString('base64') })
    if (put.status !== 'ok') throw toError(put.failure)
    pieces.push(put.output.piece)
  }
  return { name, media_type: type, pieces }
}

function tooMany(): OxbowError {
  return new OxbowError('limit_reached', `A message has at most ${maxAttachments} files.`, {
    hint: 'Send some of them with another prompt.',
  })
}
