/** Files on their way into a message: read in the browser, stored by the guest in pieces, and sent by their hashes. */
import type { Client } from '../../../../src/client/browser-client.ts'
import { type KeptFile, maxAttachmentBytes, maxAttachments, maxPieceBytes } from '../../../../src/protocol/index.ts'
import { callOf } from '../../data/calls.ts'
import { bytesText } from '../../ui/layout.tsx'

/** @returns why the files cannot be attached to so many others; empty: they can */
export function refusalOf(files: readonly File[], attached: number): string {
  if (files.length + attached > maxAttachments) return `A message takes ${maxAttachments} files.`
  const large = files.find(({ size }) => size > maxAttachmentBytes)
  return large === undefined
    ? ''
    : `${large.name} has ${bytesText(large.size)}; a file may have ${bytesText(maxAttachmentBytes)}. Put it into the workspace on the Files page.`
}

/** @throws OxbowError of the guest */
export async function upload(client: Client, file: File): Promise<KeptFile> {
  const pieces: string[] = []
  for (let at = 0; at < file.size; at += maxPieceBytes) {
    const bytes = new Uint8Array(await file.slice(at, at + maxPieceBytes).arrayBuffer())
    const { piece } = await callOf(client, 'attachment.put', { data: base64Of(bytes) })
    pieces.push(piece)
  }
  return { name: file.name || 'pasted', media_type: file.type, bytes: file.size, pieces }
}

const blockBytes = 32_768

function base64Of(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += blockBytes) text += String.fromCharCode(...bytes.subarray(at, at + blockBytes))
  return btoa(text)
}
