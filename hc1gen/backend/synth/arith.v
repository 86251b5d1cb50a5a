// Word-level adders of yosys as full adders; carries ripple, which is the smallest adder there is.
(* techmap_celltype = "$fa" *)
module hc1gen_map_fa(A, B, C, X, Y);
    parameter WIDTH = 1;
    input [WIDTH-1:0] A, B, C;
    output [WIDTH-1:0] X, Y;
    genvar i;
    generate for (i = 0; i < WIDTH; i = i + 1) begin: bit_
        hc1gen_fa add(.a(A[i]), .b(B[i]), .c(C[i]), .s(Y[i]), .co(X[i]));
    end endgenerate
endmodule

(* techmap_celltype = "$alu" *)
module hc1gen_map_alu(A, B, CI, BI, X, Y, CO);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    input [A_WIDTH-1:0] A;
    input [B_WIDTH-1:0] B;
    input CI, BI;
    output [Y_WIDTH-1:0] X, Y, CO;
    wire [Y_WIDTH-1:0] AA, B_wide;
    generate
        if (A_WIDTH == 0) assign AA = 0;  // an operand that was found to be 0
        else \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) a_wide (.A(A), .Y(AA));
        if (B_WIDTH == 0) assign B_wide = 0;
        else \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) b_wide (.A(B), .Y(B_wide));
    endgenerate
    wire [Y_WIDTH-1:0] BB = B_wide ^ {Y_WIDTH{BI}};
    assign X = AA ^ BB;
    genvar i;
    generate for (i = 0; i < Y_WIDTH; i = i + 1) begin: bit_
        wire carry;
        if (i == 0) assign carry = CI; else assign carry = CO[i-1];
        hc1gen_fa add(.a(AA[i]), .b(BB[i]), .c(carry), .s(Y[i]), .co(CO[i]));
    end endgenerate
endmodule
