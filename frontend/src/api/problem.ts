// ApiProblem is an RFC 9457 problem as an exception: what happened and what to do.
export class ApiProblem extends Error {
  kind: string
  status: number
  hint: string
  instance: string
  fields: { path: string; message: string }[]

  constructor(p: {
    kind: string
    status: number
    text: string
    hint?: string
    instance?: string
    fields?: { path: string; message: string }[]
  }) {
    super(p.text)
    this.kind = p.kind
    this.status = p.status
    this.hint = p.hint ?? ''
    this.instance = p.instance ?? ''
    this.fields = p.fields ?? []
  }
}

interface Body {
  type?: string
  title?: string
  status?: number
  detail?: string
  hint?: string
  instance?: string
  fields?: { path: string; message: string }[]
}

// problemOf reads the problem in an answer that is not 2xx.
export async function problemOf(r: Response): Promise<ApiProblem> {
  let body: Body = {}
  try {
    body = (await r.json()) as Body
  } catch {
    // not JSON: the status alone has to do
  }
  return problemFrom(body, r.status)
}

// problemFrom builds a problem from a decoded body.
export function problemFrom(body: Body, status: number): ApiProblem {
  const kind = (body.type ?? '').replace(/^urn:synergos:problem:/, '') || kindOf(status)
  return new ApiProblem({
    kind,
    status,
    text: body.detail || body.title || '',
    hint: body.hint,
    instance: body.instance,
    fields: body.fields,
  })
}

function kindOf(status: number): string {
  const kinds: Record<number, string> = {
    401: 'unauthorized',
    403: 'permission',
    404: 'not_found',
    409: 'exists',
    413: 'too_large',
    422: 'invalid',
    423: 'busy',
    429: 'too_many',
    503: 'unavailable',
    504: 'timeout',
  }
  return kinds[status] ?? 'internal'
}

// asProblem turns anything thrown into a problem.
export function asProblem(e: unknown): ApiProblem {
  if (e instanceof ApiProblem) return e
  const text = e instanceof Error ? e.message : String(e)
  const aborted = ['TimeoutError', 'AbortError'].includes((e as Error | undefined)?.name ?? '')
  return new ApiProblem({ kind: aborted ? 'timeout' : 'offline', status: 0, text: aborted ? '' : text })
}
