/**
 * The fetch that is handed to a provider package: nothing follows a redirect, so that no key travels to another host, and the
 * bytes of a generation's exchange are seen on their way. Which generation a request belongs to is told by its abort signal.
 */
interface FetchWatch {
  /** Once for each request that is made for the generation. */
  onRequest(url: URL, body: Uint8Array): void
  /** @param type its content type, or empty */
  onResponse(status: number, type: string): void
  onBytes(bytes: Uint8Array): void
}

export interface WatchedFetch {
  readonly fetch: typeof fetch
  /** Requests with this signal belong to this watch. */
  watch(signal: AbortSignal, watch: FetchWatch): void
}

export function createWatchedFetch(): WatchedFetch {
  const watches = new WeakMap<AbortSignal, FetchWatch>()
  return {
    watch: (signal, watch) => void watches.set(signal, watch),
    fetch: async (input, init) => {
      const watch = init?.signal ? watches.get(init.signal) : undefined
      watch?.onRequest(new URL(input instanceof Request ? input.url : input), bodyOf(init?.body))
      const response = await fetch(input, { ...init, redirect: 'manual' })
      watch?.onResponse(response.status, response.headers.get('content-type') ?? '')
      if (watch === undefined || response.body === null) return response
      const { status, statusText, headers } = response
      return new Response(response.body.pipeThrough(tap(watch)), { status, statusText, headers })
    },
  }
}

function tap(watch: FetchWatch): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform: (bytes, control) => {
      watch.onBytes(bytes)
      control.enqueue(bytes)
    },
  })
}

/** Packages send text, and bytes where a service wants them; a stream or a form is not kept. */
function bodyOf(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body)
  return body instanceof Uint8Array ? body : new Uint8Array()
}
