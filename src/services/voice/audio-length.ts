/**
 * What kind of audio some bytes are, and how long it plays, before anybody is paid for it. Frames are counted where a format has them, because
 * what a header says of its length anybody can write there; of Vorbis, FLAC and MP4 there is only that. Bytes are hostile: nothing here
 * throws, allocates by what they say, or looks at one of them more than a few times.
 */
import { mediaTypeOf } from '../../protocol/index.ts'

/** Kinds that are heard. */
export interface AudioFacts {
  /** Media type, as services know it. */
  readonly mime: string
  readonly seconds: number
}

type Bytes = Buffer

/** @returns null for what is no audio of a known kind, or does not tell how long it is */
export function audioFacts(content: Uint8Array): AudioFacts | null {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  const type = mediaTypeOf(bytes, '')
  // What a telephone has recorded says of its container only that it is MP4.
  const mime = type === 'video/mp4' ? 'audio/mp4' : type
  const seconds = Object.hasOwn(lengths, mime) ? lengths[mime]!(bytes) : null
  return seconds === null || !Number.isFinite(seconds) || seconds <= 0 ? null : { mime, seconds }
}

const lengths: Readonly<Record<string, (bytes: Bytes) => number | null>> = {
  'audio/ogg': oggSeconds,
  'audio/wav': wavSeconds,
  'audio/mpeg': mpegSeconds,
  'audio/flac': flacSeconds,
  'audio/mp4': mp4Seconds,
}

/** RFC 3533: pages with packets. Opus, RFC 7845: two packets of headers, then audio. */
function oggSeconds(bytes: Bytes): number | null {
  let [packets, opusMs, rate, granule] = [0, 0, 0, 0n]
  let isWithin = false
  for (let at = 0; at + 27 <= bytes.length && bytes.toString('latin1', at, at + 4) === 'OggS';) {
    const segments = bytes[at + 26]!
    let data = at + 27 + segments
    const position = bytes.readBigInt64LE(at + 6)
    if (position > granule) granule = position
    for (let index = 0; index < segments; index += 1) {
      const size = bytes[at + 27 + index] ?? 0
      if (!isWithin) {
        packets += 1
        const head = bytes.toString('latin1', data, data + 8)
        if (packets === 1 && head.startsWith('\x01vorbis') && data + 16 <= bytes.length) rate = bytes.readUInt32LE(data + 12)
        else if (packets === 1 && head !== 'OpusHead') return null
        if (packets > 2) opusMs += opusPacketMs(bytes, data, size)
      }
      data += size
      isWithin = size === 255
    }
    at = data
  }
  if (packets < 3) return null
  return rate === 0 ? opusMs / 1_000 : Number(granule) / rate
}

/** RFC 6716, section 3.1. */
function opusPacketMs(bytes: Bytes, at: number, size: number): number {
  const toc = bytes[at]
  if (toc === undefined || size === 0) return 0
  const config = toc >> 3
  const frameMs = config < 12 ? [10, 20, 40, 60][config & 3]! : config < 16 ? [10, 20][config & 1]! : [2.5, 5, 10, 20][config & 3]!
  const frames = (toc & 3) === 0 ? 1 : (toc & 3) < 3 ? 2 : (bytes[at + 1] ?? 0) & 0x3f
  return frameMs * frames
}

function wavSeconds(bytes: Bytes): number | null {
  let perSecond = 0
  for (let at = 12; at + 8 <= bytes.length;) {
    const id = bytes.toString('latin1', at, at + 4)
    const size = bytes.readUInt32LE(at + 4)
    if (id === 'fmt ' && at + 24 <= bytes.length) {
      const plain = (bytes.readUInt32LE(at + 12) * bytes.readUInt16LE(at + 10) * bytes.readUInt16LE(at + 22)) / 8
      // What is not compressed says itself how much a second takes.
      perSecond = bytes.readUInt16LE(at + 8) === 1 ? plain : bytes.readUInt32LE(at + 16)
    }
    // A program that writes to a pipe does not know the size yet.
    if (id === 'data') return perSecond === 0 ? null : Math.min(size, bytes.length - at - 8) / perSecond
    at += 8 + size + (size & 1)
  }
  return null
}

/** Kilobits a second by index, of MPEG 1 and of 2, for layers 1 to 3. */
const mpegRates: readonly (readonly (readonly number[])[])[] = [
  [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  ],
  [
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  ],
]

function mpegSeconds(bytes: Bytes): number | null {
  const tag = (index: number): number => bytes[index] ?? 0
  const isTagged = bytes.toString('latin1', 0, 3) === 'ID3'
  let at = isTagged ? 10 + ((tag(6) << 21) | (tag(7) << 14) | (tag(8) << 7) | tag(9)) : 0
  let seconds = 0
  while (at + 4 <= bytes.length) {
    const frame = mpegFrame(bytes.readUInt32BE(at))
    seconds += frame?.seconds ?? 0
    at += frame?.bytes ?? 1
  }
  return seconds
}

/** @returns null for what is no header of a frame */
function mpegFrame(head: number): { readonly bytes: number; readonly seconds: number } | null {
  const [version, layer] = [(head >>> 19) & 3, 4 - ((head >>> 17) & 3)]
  const sampling = [44_100, 48_000, 32_000][(head >>> 10) & 3]
  if (head >>> 21 !== 0x7ff || version === 1 || layer === 4 || sampling === undefined) return null
  const kilobits = mpegRates[version === 3 ? 0 : 1]![layer - 1]![(head >>> 12) & 15] ?? 0
  if (kilobits === 0) return null
  const rate = version === 3 ? sampling : version === 2 ? sampling / 2 : sampling / 4
  const samples = layer === 1 ? 384 : layer === 3 && version !== 3 ? 576 : 1_152
  const [padding, slot] = [(head >>> 9) & 1, layer === 1 ? 4 : 1]
  return { bytes: (Math.floor((samples / 8 / slot) * ((kilobits * 1_000) / rate)) + padding) * slot, seconds: samples / rate }
}

function flacSeconds(bytes: Bytes): number | null {
  // The first block after the mark is STREAMINFO.
  if (bytes.length < 26) return null
  const packed = bytes.readBigUInt64BE(18)
  const [rate, samples] = [Number(packed >> 44n), Number(packed & 0xfffffffffn)]
  return rate === 0 ? null : samples / rate
}

/** Boxes within `moov`: ISO 14496-12. */
function mp4Seconds(bytes: Bytes): number | null {
  const moov = boxIn(bytes, 'moov')
  const head = moov === null ? null : boxIn(moov, 'mvhd')
  if (head === null || head.length < 20) return null
  const isLong = head[0] === 1 && head.length >= 32
  const scale = head.readUInt32BE(isLong ? 20 : 12)
  const length = isLong ? Number(head.readBigUInt64BE(24)) : head.readUInt32BE(16)
  return scale === 0 ? null : length / scale
}

function boxIn(bytes: Bytes, wanted: string): Bytes | null {
  for (let at = 0; at + 8 <= bytes.length;) {
    const short = bytes.readUInt32BE(at)
    const isLong = short === 1 && at + 16 <= bytes.length
    const size = isLong ? Number(bytes.readBigUInt64BE(at + 8)) : short
    if (size < 8) return null
    if (bytes.toString('latin1', at + 4, at + 8) === wanted) return bytes.subarray(at + (isLong ? 16 : 8), at + size)
    at += size
  }
  return null
}
