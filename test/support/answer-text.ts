/** The body of an answer; nothing of a stream, which does not end by itself. What one tells to whom is tried in test/live. */
export async function textOf(answer: Response): Promise<string> {
  if (answer.headers.get('content-type')?.startsWith('text/event-stream') !== true) return answer.text()
  await answer.body?.cancel()
  return ''
}
