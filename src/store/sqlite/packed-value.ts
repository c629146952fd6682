/**
 * Values that take less room in the file: exchanges with models, most of the journal's bytes, and blobs. They are compressed one by one, so
 * that each is read and erased by itself; a small dictionary has what every exchange repeats. A connection unpacks what it reads
 * (`sqlite-database.ts`), so nobody else knows of it: hashes, audits, copies and moves see the values as they were written.
 *
 * Measured with 2 000 exchanges of 1.6 kB: 11 % of their size and 20 µs each; without the dictionary 39 %.
 */
import { Buffer } from 'node:buffer'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { maxBlobBytes } from '../limits.ts'
import { storeFault } from '../store-fault.ts'

/** Begins a packed value; eight random bytes, which no other value begins with by chance. A ninth says how it is packed. */
const mark = Buffer.from('9fd1c6a60e7b43e2', 'hex')
const headBytes = mark.length + 1
/** Never changed: databases have them. */
const forms = { bytes: 0, zstdBytes: 1, zstdText: 2 } as const
/** Below this size nothing is saved. */
const minPackedBytes = 256
const fast = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
/** A blob, and some more: what a damaged value may take. */
const maxUnpackedBytes = maxBlobBytes + 65_536

/** @returns the text itself where packing saves nothing */
export function packText(text: string): string | Uint8Array {
  if (text.length < minPackedBytes) return text
  const bytes = Buffer.from(text, 'utf8')
  const small = zstdCompressSync(bytes, { ...fast, dictionary })
  return small.length + headBytes < bytes.length ? marked(forms.zstdText, small) : text
}

/** @returns the bytes, compressed where that is shorter; `unpackBytes` gives them back */
export function packBytes(bytes: Uint8Array): Uint8Array {
  const isMarked = startsWithMark(bytes)
  if (bytes.length < minPackedBytes && !isMarked) return bytes
  const small = zstdCompressSync(bytes, fast)
  if (small.length + headBytes < bytes.length) return marked(forms.zstdBytes, small)
  // What looks packed is marked as it is, so that it is not unpacked.
  return isMarked ? marked(forms.bytes, bytes) : bytes
}

/** @returns any value of a row as it was written. @throws OxbowError `store_corrupt` */
export function unpacked<Value>(value: Value): Value | string | Uint8Array {
  if (!(value instanceof Uint8Array) || !startsWithMark(value)) return value
  const rest = Buffer.from(value.buffer, value.byteOffset + headBytes, value.byteLength - headBytes)
  const form = value[mark.length]
  if (form === forms.bytes) return rest
  const limit = { maxOutputLength: maxUnpackedBytes }
  try {
    if (form === forms.zstdBytes) return zstdDecompressSync(rest, limit)
    if (form === forms.zstdText) return zstdDecompressSync(rest, { ...limit, dictionary }).toString('utf8')
  } catch (error) {
    throw storeFault('store_corrupt', 'A compressed value of the database cannot be read.', error)
  }
  throw storeFault('store_corrupt', 'A value of the database is compressed in a way that this Oxbow does not know.')
}

function startsWithMark(bytes: Uint8Array): boolean {
  return bytes.length >= headBytes && bytes[0] === mark[0] && mark.every((byte, i) => bytes[i] === byte)
}

function marked(form: number, bytes: Uint8Array): Uint8Array {
  const value = new Uint8Array(headBytes + bytes.length)
  value.set(mark)
  value[mark.length] = form
  value.set(bytes, headBytes)
  return value
}

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1)

/**
 * What exchanges repeat: the envelopes of requests and of the streams of each wire, what is commonest last. Never changed, because databases
 * have been written with it: another dictionary is another form.
 */
const dictionary: Buffer = Buffer.from(
  [
    'data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":1,"thoughtsTokenCount":1},"modelVersion":"gemini-","responseId":""}\r\n\r\n',
    '{"role":"model","parts":[{"functionCall":{"name":"","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"","response":{"output":""}}}]}',
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":1,"item_id":"msg_","output_index":0,"content_index":0,"delta":"","logprobs":[]}\n\n',
    'event: response.function_call_arguments.delta\ndata: {"type":"response.function_call_arguments.delta","sequence_number":1,"item_id":"fc_","output_index":0,"delta":""}\n\n',
    'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_","object":"response","status":"completed","model":"","output":[],"usage":{"input_tokens":1,"input_tokens_details":{"cached_tokens":0},"output_tokens":1,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":2}}}\n\n',
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_","type":"message","role":"assistant","model":"claude-","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}\n\n',
    'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\nevent: ping\ndata: {"type": "ping"}\n\n',
    'event: content_block_start\ndata: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_","name":"","input":{}}}\n\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}\n\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}\n\nevent: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
    ',{"role":"assistant","content":[{"type":"tool_use","id":"toolu_","name":"","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_","content":""}]}],"stream":true}',
    ',{"role":"user","content":"From memory, looked up for the next message; material, not words of the person:\n',
    ',{"role":"assistant","content":null,"tool_calls":[{"id":"call_","type":"function","function":{"name":"","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_","content":""}]}',
    ',{"role":"assistant","content":""},{"role":"user","content":""}]}',
    'data: {"id":"chatcmpl-","object":"chat.completion.chunk","created":0,"model":"","service_tier":"default","system_fingerprint":"fp_","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}\n\n',
    'data: {"id":"chatcmpl-","object":"chat.completion.chunk","created":0,"model":"","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_","type":"function","function":{"name":"","arguments":""}}]},"finish_reason":null}]}\n\n',
    'data: {"id":"chatcmpl-","object":"chat.completion.chunk","created":0,"model":"","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n',
    'content":"',
    ':null}]}\n\n',
    ':{},"finish_reason":"tool_calls"}]}\n\n',
    ':{},"finish_reason":"stop"}]}\n\n',
    ':[],"usage":{"prompt_tokens":10,"completion_tokens":10,"total_tokens":20,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}\n\n',
    'data: [DONE]\n\n',
  ]
    .map(escaped)
    .join('')
    .concat(
      '{"id":"#1","request":{"after":{"id":"-7-#1","bytes":},"text":",{"base64":"","wire":"openai-chat","model":"","url":"http://127.0.0.1:/v1/chat/completions',
      'https://api.openai.com/v1/chat/completions","wire":"openai-responses","url":"https://api.openai.com/v1/responses","wire":"anthropic","url":"https://api.anthropic.com/v1/messages',
      '","wire":"gemini","url":"https://generativelanguage.googleapis.com/v1beta/models/gemini-:streamGenerateContent?alt=sse","status":200,"response":{"bytes":,"runs":[{"text":"',
      '","head":128,"tail":28,"parts":["","head":161,"tail":0,"parts":["","]},{"head":125,"tail":0,"parts":[":',
      '","',
      escaped(':null}]}\n\n'),
      '"]},{"text":"',
      escaped('data: [DONE]\n\n'),
      '"}]}}',
    ),
  'utf8',
)
