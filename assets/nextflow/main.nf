// Segments slides, one process for each.
//
//   nextflow run main.nf --slides slides.csv --out /shared/results
//   nextflow run main.nf -profile slurm --slides slides.csv --out /shared/results
//
// slides.csv has the columns path, and, if wanted, id (else the file's name) and mpp (µm per pixel).

nextflow.enable.dsl = 2

params.slides = null
params.out = null
params.model = null
params.options = ''

process PREDICT {
    tag "${id}"

    input:
    tuple val(id), val(slide), val(mpp)

    output:
    val id

    // Results go straight to their folder: a retry begins in a new work folder, and would not find
    // the state of the slide there. Paths are values, so that slides are not linked or copied.
    script:
    def resolution = mpp ? "--mpp ${mpp}" : ''
    def model = params.model ? "--model '${params.model}'" : ''
    """
    exec dfaseg predict '${slide}' --out '${file(params.out).toAbsolutePath()}/${id}.zarr' \\
        --workers ${task.cpus} ${resolution} ${model} ${params.options}
    """
}

workflow {
    if (!params.slides || !params.out) {
        error 'give --slides TABLE.csv and --out FOLDER'
    }
    file(params.out).mkdirs()
    Channel
        .fromPath(params.slides, checkIfExists: true)
        .splitCsv(header: true)
        .map { row ->
            def slide = row.path.contains('://') ? row.path : file(row.path).toAbsolutePath().toString()
            tuple(row.id ?: file(row.path).baseName, slide, row.mpp ?: '')
        }
        | PREDICT
}
